//! The descriptors of the contracts, for reflection and for showing stored messages.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// The encoded `google.protobuf.FileDescriptorSet` of all contracts, with options and comments.
pub const ENCODED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // The build wrote these bytes from a pool; an empty one shows as missing descriptors in tests.
    DescriptorPool::decode(ENCODED).unwrap_or_default()
});

/// The descriptors, decoded.
pub fn pool() -> &'static DescriptorPool {
    &POOL
}
