// Serves Better Auth on a loopback port of the kernel's choice, and says which as one line of JSON. Its argument is the
// file of the configuration.

import { createServer } from "node:http";
import { toNodeHandler } from "better-auth/node";

const { auth } = await import(process.argv[2] ?? "./auth.js");
const server = createServer(toNodeHandler(auth));

server.listen(0, "127.0.0.1", () => {
  const { address, port } = server.address();
  console.log(JSON.stringify({ listening: { address, port } }));
});
