// The realm's key, and the check of access tokens that come back.

import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";

const ALGORITHM = "RS256";

export async function newKeys() {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const named = { alg: ALGORITHM, use: "sig", kid: crypto.randomUUID() };
  return {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), ...named }] },
    publicKeys: createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), ...named }] }),
  };
}

// The claims of an access token that this realm signed and that has not expired; undefined for anything else.
export async function claimsOf(token, { issuer, publicKeys }) {
  try {
    const { payload } = await jwtVerify(token, publicKeys, { issuer, algorithms: [ALGORITHM], typ: "at+jwt" });
    return payload;
  } catch {
    return undefined;
  }
}
