//! Kernel images written by hand, in the layout that nvcc uses.

/// A section: name, type, content.
pub type Section<'a> = (&'a str, u32, &'a [u8]);

/// Section type of content that lies in the file.
pub const PROGBITS: u32 = 1;
/// Section type of memory that the loader clears.
pub const NOBITS: u32 = 8;

/// A fatbin with one ELF image per architecture.
pub fn fatbin(images: &[(u32, &[Section])]) -> Vec<u8> {
    let entries = images
        .iter()
        .flat_map(|(architecture, sections)| entry(2, *architecture, &elf(sections)))
        .collect::<Vec<u8>>();
    container(&entries)
}

/// A container around `entries`.
pub fn container(entries: &[u8]) -> Vec<u8> {
    let mut bytes = 0xba55_ed50_u32.to_le_bytes().to_vec();
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(16_u16.to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    bytes.extend(entries);
    bytes
}

/// An entry of a container: 1 is PTX, 2 is ELF.
pub fn entry(kind: u16, architecture: u32, body: &[u8]) -> Vec<u8> {
    const HEAD: usize = 64;
    let mut bytes = vec![0; HEAD];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes[4..8].copy_from_slice(&(HEAD as u32).to_le_bytes());
    bytes[8..16].copy_from_slice(&(body.len() as u64).to_le_bytes());
    bytes[28..32].copy_from_slice(&architecture.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// A 64-bit ELF file: header, contents, names, section table.
fn elf(sections: &[Section]) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..5].copy_from_slice(b"\x7fELF\x02");
    let mut names = vec![0];
    let mut headers = vec![0; 64];
    let mut section = |name: &str, kind: u32, at: usize, len: usize, names: &mut Vec<u8>| {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&(names.len() as u32).to_le_bytes());
        header[4..8].copy_from_slice(&kind.to_le_bytes());
        header[24..32].copy_from_slice(&(at as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(len as u64).to_le_bytes());
        headers.extend(header);
        names.extend(name.bytes());
        names.push(0);
    };
    for (name, kind, content) in sections {
        section(name, *kind, bytes.len(), content.len(), &mut names);
        if *kind != NOBITS {
            bytes.extend(*content);
        }
    }
    let table_of_names = b".shstrtab\0";
    let len = names.len() + table_of_names.len();
    section(".shstrtab", 3, bytes.len(), len, &mut names);
    bytes.extend(&names);
    let (table, count) = (bytes.len() as u64, sections.len() as u16 + 2);
    bytes[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    bytes[0x3c..0x3e].copy_from_slice(&count.to_le_bytes());
    bytes[0x3e..0x40].copy_from_slice(&(count - 1).to_le_bytes());
    bytes.extend(headers);
    bytes
}
