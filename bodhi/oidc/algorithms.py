"""The algorithms that tokens may be signed with."""

# RFC 7518, 8037 and 9864. Nothing symmetric, where the public key would serve as the secret.
ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
