// Better Auth as an application would configure it. Only the `jwt` plugin concerns nginx.

import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { jwt } from "better-auth/plugins";
import { SignJWT } from "jose";

const secret = process.env.BETTER_AUTH_SECRET;
if (!secret) throw new Error("BETTER_AUTH_SECRET is not set");

// The secret's bytes as they are: nginx and every other verifier take them the same way.
const key = new TextEncoder().encode(secret);

export const auth = betterAuth({
  secret,
  baseURL: process.env.BETTER_AUTH_URL,
  database: memoryAdapter({ user: [], session: [], account: [], verification: [], jwks: [] }),
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  plugins: [
    jwt({
      // Both are mandatory beside `sign`; neither is used then.
      jwks: { remoteUrl: "http://127.0.0.1/unused", keyPairConfig: { alg: "EdDSA" } },
      jwt: {
        expirationTime: "15m",
        definePayload: ({ user }) => ({ uid: user.id }),
        sign: (payload) =>
          new SignJWT(payload).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(key),
      },
    }),
  ],
});
