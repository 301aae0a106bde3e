"""A finished run as an RO-Crate: a folder or archive that says of itself what it holds and how it was made."""
