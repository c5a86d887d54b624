// Serves Better Auth on a loopback port of the kernel's choice, and says which as one line of JSON.

import { createServer } from "node:http";
import { toNodeHandler } from "better-auth/node";
import { auth } from "./auth.js";

const server = createServer(toNodeHandler(auth));

server.listen(0, "127.0.0.1", () => {
  const { address, port } = server.address();
  console.log(JSON.stringify({ listening: { address, port } }));
});
