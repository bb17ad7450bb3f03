"""The generator: contract, JSON Schemas, stubs and client packages. It is not written yet; this holds its place."""
