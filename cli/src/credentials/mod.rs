//! Keys and tokens for tests: generated, published as JWK Sets, signed with.
