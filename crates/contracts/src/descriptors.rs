//! The descriptors of the contracts, for gRPC reflection and for dynamic messages.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// The encoded `google.protobuf.FileDescriptorSet` of all contracts, with options and comments.
pub const ENCODED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // The build encoded these bytes from a valid pool. Tests would miss the descriptors of an
    // empty one.
    DescriptorPool::decode(ENCODED).unwrap_or_default()
});

/// The descriptors, decoded.
pub fn pool() -> &'static DescriptorPool {
    &POOL
}
