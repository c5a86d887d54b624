// Judges tokens with jose. A first line gives the keys; each further line is a list of tokens, answered by a list of
// words: "ok", or jose's code of the error.
import { createInterface } from "node:readline";
import { importSPKI, jwtVerify } from "jose";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const keys = {};
for (const [algorithm, { names, secret, pem }] of Object.entries(JSON.parse((await lines.next()).value))) {
  const key = secret === null ? await importSPKI(pem, algorithm) : new Uint8Array(Buffer.from(secret, "base64"));
  keys[algorithm] = { key, options: { algorithms: names, requiredClaims: ["exp", "uid"] } };
}
say(process.version);

async function judge([algorithm, token]) {
  const { key, options } = keys[algorithm];
  try {
    await jwtVerify(token, key, options);
    return "ok";
  } catch (error) {
    return String(error.code ?? error.name);
  }
}

for await (const line of lines) {
  say(await Promise.all(JSON.parse(line).map(judge)));
}
