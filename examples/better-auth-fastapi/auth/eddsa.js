// Better Auth with its own default of the `jwt` plugin: it signs with EdDSA and publishes its keys at /api/auth/jwks.

import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { jwt } from "better-auth/plugins";

const secret = process.env.BETTER_AUTH_SECRET;
if (!secret) throw new Error("BETTER_AUTH_SECRET is not set");

export const auth = betterAuth({
  secret,
  baseURL: process.env.BETTER_AUTH_URL,
  database: memoryAdapter({ user: [], session: [], account: [], verification: [], jwks: [] }),
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  plugins: [
    jwt({
      // Seconds for which a key signs; without this it signs for ever.
      jwks: { rotationInterval: Number(process.env.KEY_ROTATION) || undefined },
      jwt: {
        expirationTime: "15m",
        definePayload: ({ user }) => ({ uid: user.id }),
      },
    }),
  ],
});
