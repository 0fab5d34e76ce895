//! The file of a backup: a header, then chunks. A chunk is compressed, followed by a digest over
//! everything so far, and encrypted if there is a key. Its content is decoded only after the digest
//! was verified.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use orion::hazardous::aead::streaming::{
    ABYTES, Nonce, SecretKey, StreamTag, StreamXChaCha20Poly1305,
};
use prost::Message;
use sha2::{Digest as _, Sha256};
use taizhang_files::Draft;

use crate::content::{Chunk, Content};

const MAGIC: &[u8] = b"taizhang backup";
/// The version of the format.
const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const ENCRYPTED: u8 = 1;
const NONCE: usize = 24;
const DIGEST: usize = 32;
/// The most bytes of a chunk, compressed or not. An entry holds one message, at most 4 MiB.
const MAX_CHUNK: usize = 64 << 20;
/// The level of compression: higher ones take much longer for little.
const LEVEL: u8 = 3;

/// The SHA-256 digest of a file, as far as it was written or read.
pub(crate) type Digest = [u8; DIGEST];

struct Cipher {
    stream: StreamXChaCha20Poly1305,
    header: Vec<u8>,
}

impl Cipher {
    fn new(key: &[u8; 32], nonce: [u8; NONCE], header: &[u8]) -> anyhow::Result<Self> {
        let key = SecretKey::try_from(key.as_slice())?;
        Ok(Self {
            stream: StreamXChaCha20Poly1305::new(&key, &Nonce::from(nonce)),
            header: header.to_owned(),
        })
    }

    fn seal(&mut self, plain: &[u8], last: bool) -> anyhow::Result<Vec<u8>> {
        let mut sealed = vec![0; plain.len() + ABYTES];
        let tag = if last {
            StreamTag::Finish
        } else {
            StreamTag::Message
        };
        self.stream
            .seal_chunk(plain, Some(&self.header), &mut sealed, &tag)?;
        Ok(sealed)
    }

    fn open(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut plain = vec![0; sealed.len().checked_sub(ABYTES)?];
        self.stream
            .open_chunk(sealed, Some(&self.header), &mut plain)
            .ok()?;
        Some(plain)
    }
}

/// Writes a backup, chunk by chunk.
pub(crate) struct Writer {
    out: BufWriter<Draft>,
    cipher: Option<Cipher>,
    digest: Digest,
}

impl Writer {
    /// Begins a backup; with a key, it is encrypted.
    pub(crate) fn new(draft: Draft, key: Option<&[u8; 32]>) -> anyhow::Result<Self> {
        let mut header = [MAGIC, &[VERSION, PLAIN]].concat();
        let mut cipher = None;
        if let Some(key) = key {
            let mut nonce = [0; NONCE];
            getrandom::fill(&mut nonce).map_err(|e| anyhow::anyhow!("random numbers: {e}"))?;
            header = [MAGIC, &[VERSION, ENCRYPTED], &nonce].concat();
            cipher = Some(Cipher::new(key, nonce, &header)?);
        }
        let mut out = BufWriter::new(draft);
        out.write_all(&header)?;
        Ok(Self {
            out,
            cipher,
            digest: Sha256::digest(&header).into(),
        })
    }

    pub(crate) fn write(&mut self, content: Content) -> anyhow::Result<()> {
        let last = matches!(content, Content::Close(_));
        let message = Chunk {
            content: Some(content),
        }
        .encode_to_vec();
        let mut chunk = miniz_oxide::deflate::compress_to_vec(&message, LEVEL);
        self.digest = next(&self.digest, &chunk);
        chunk.extend(self.digest);
        if let Some(cipher) = &mut self.cipher {
            chunk = cipher.seal(&chunk, last)?;
        }
        ensure!(
            message.len().max(chunk.len()) <= MAX_CHUNK,
            "a chunk of {} bytes is too large",
            message.len()
        );
        self.out.write_all(&(chunk.len() as u32).to_be_bytes())?;
        self.out.write_all(&chunk)?;
        Ok(())
    }

    /// The digest of all that was written.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// The draft, complete.
    pub(crate) fn finish(self) -> anyhow::Result<Draft> {
        Ok(self.out.into_inner().map_err(|e| e.into_error())?)
    }
}

/// The digest after one more chunk.
fn next(digest: &Digest, chunk: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(digest);
    hasher.update(chunk);
    hasher.finalize().into()
}

/// Reads a backup, chunk by chunk.
pub(crate) struct Reader {
    from: BufReader<File>,
    cipher: Option<Cipher>,
    digest: Digest,
    before: Digest,
    chunks: u64,
}

impl Reader {
    pub(crate) fn open(path: &Path, key: Option<&[u8; 32]>) -> anyhow::Result<Self> {
        let in_file = || format!("file {}", path.display());
        let mut from = BufReader::new(File::open(path).with_context(in_file)?);
        let mut header = vec![0; MAGIC.len() + 2];
        let is_backup = from.read_exact(&mut header).is_ok() && header.starts_with(MAGIC);
        ensure!(is_backup, "{} is not a backup", path.display());
        let [.., version, protection] = header[..] else {
            bail!("{} is not a backup", path.display());
        };
        ensure!(
            version == VERSION,
            "the backup has format {version}, which this program does not know; use a newer one"
        );
        let cipher = match (protection, key) {
            (PLAIN, None) => None,
            (PLAIN, Some(_)) => bail!("the backup is not encrypted; omit --key-file"),
            (ENCRYPTED, None) => bail!("the backup is encrypted; give its key by --key-file"),
            (ENCRYPTED, Some(key)) => {
                let mut nonce = [0; NONCE];
                from.read_exact(&mut nonce).map_err(cut_off)?;
                header.extend(nonce);
                Some(Cipher::new(key, nonce, &header)?)
            }
            _ => bail!("the backup's header is damaged"),
        };
        Ok(Self {
            from,
            cipher,
            digest: Sha256::digest(&header).into(),
            before: Digest::default(),
            chunks: 0,
        })
    }

    /// The next chunk; the last one is the close, and nothing follows it.
    pub(crate) fn read(&mut self) -> anyhow::Result<Content> {
        self.chunks += 1;
        let damaged = format!("the backup is damaged in chunk {}", self.chunks);
        let mut length = [0; 4];
        self.from.read_exact(&mut length).map_err(cut_off)?;
        let length = u32::from_be_bytes(length) as usize;
        ensure!(length <= MAX_CHUNK, damaged);
        let mut chunk = Vec::new();
        let read = self
            .from
            .by_ref()
            .take(length as u64)
            .read_to_end(&mut chunk)?;
        ensure!(read == length, CUT_OFF);
        if let Some(cipher) = &mut self.cipher {
            chunk = match cipher.open(&chunk) {
                Some(plain) => plain,
                None if self.chunks == 1 => {
                    bail!("the key is not that of the backup, or its first chunk is damaged")
                }
                None => bail!(damaged),
            };
        }
        let Some((compressed, digest)) = chunk.split_last_chunk::<DIGEST>() else {
            bail!(damaged);
        };
        ensure!(next(&self.digest, compressed) == *digest, damaged);
        (self.before, self.digest) = (self.digest, *digest);
        let message = miniz_oxide::inflate::decompress_to_vec_with_limit(compressed, MAX_CHUNK)
            .map_err(|_| anyhow::anyhow!(damaged.clone()))?;
        let content = Chunk::decode(message.as_slice())?
            .content
            .with_context(|| {
                format!(
                    "this program does not know what chunk {} holds",
                    self.chunks
                )
            })?;
        if matches!(content, Content::Close(_)) {
            let after = self.from.read(&mut [0])?;
            ensure!(after == 0, "the backup has data after its end");
        }
        Ok(content)
    }

    /// The digest of all that was read.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of all that was read before the last chunk.
    pub(crate) fn digest_before(&self) -> Digest {
        self.before
    }
}

const CUT_OFF: &str = "the backup is cut off: its end is missing";

fn cut_off(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => anyhow::anyhow!(CUT_OFF),
        _ => error.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::content::{Close, Entries, Manifest};
    use proptest::prelude::*;
    use taizhang_files::Mode;

    const KEY: [u8; 32] = [7; 32];

    fn contents(texts: &[String]) -> Vec<Content> {
        let entries = |text: &String| {
            Content::Entries(Entries {
                service: text.clone(),
                ..Default::default()
            })
        };
        let first = Content::Manifest(Manifest::default());
        let close = Content::Close(Close::default());
        let mut all = vec![first];
        all.extend(texts.iter().map(entries));
        all.push(close);
        all
    }

    fn written(folder: &Path, key: Option<&[u8; 32]>, contents: &[Content]) -> Vec<u8> {
        let path = folder.join("written");
        let draft = Draft::replace(&path, Mode::Private).unwrap();
        let mut writer = Writer::new(draft, key).unwrap();
        for content in contents {
            writer.write(content.clone()).unwrap();
        }
        writer.finish().unwrap().finish().unwrap();
        std::fs::read(path).unwrap()
    }

    fn read(folder: &Path, key: Option<&[u8; 32]>, bytes: &[u8]) -> anyhow::Result<Vec<Content>> {
        let path = folder.join("read");
        std::fs::write(&path, bytes).unwrap();
        let mut reader = Reader::open(&path, key)?;
        let mut all = Vec::new();
        loop {
            all.push(reader.read()?);
            if matches!(all.last(), Some(Content::Close(_))) {
                return Ok(all);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_backup_is_read_as_written_and_any_damage_is_found(
            texts in prop::collection::vec(".{0,200}", 0..4),
            encrypted: bool,
            at: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let key = encrypted.then_some(&KEY);
            let contents = contents(&texts);
            let good = written(folder.path(), key, &contents);
            prop_assert_eq!(read(folder.path(), key, &good).unwrap(), contents);
            let at = at.index(good.len());
            let mut flipped = good.clone();
            flipped[at] ^= 1_u8 << bit;
            prop_assert!(read(folder.path(), key, &flipped).is_err());
            prop_assert!(read(folder.path(), key, &good[..at]).is_err());
            let longer = [&good[..], &[0]].concat();
            prop_assert!(read(folder.path(), key, &longer).is_err());
        }
    }

    #[test]
    fn a_backup_is_read_only_with_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let contents = contents(&["督查事项".into()]);
        let sealed = written(folder.path(), Some(&KEY), &contents);
        let error = |key, bytes: &[u8]| read(folder.path(), key, bytes).unwrap_err().to_string();
        assert!(error(Some(&[8; 32]), &sealed).contains("not that of the backup"));
        assert!(error(None, &sealed).contains("--key-file"));
        let plain = written(folder.path(), None, &contents);
        assert!(error(Some(&KEY), &plain).contains("not encrypted"));
    }
}
