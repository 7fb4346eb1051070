//! The code digest.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::build::code_digest::code_digests;
use super::fatbin::{NOBITS, PROGBITS, Section, container, entry, fatbin};

const KERNEL: Section = (".text.kv_read", PROGBITS, b"code");

fn digests(sections: &[Section]) -> BTreeMap<String, String> {
    code_digests(&fatbin(&[(90, sections)])).unwrap()
}

fn error(image: &[u8]) -> String {
    code_digests(image).unwrap_err().to_string()
}

#[test]
fn the_digest_is_over_names_and_contents_in_the_order_of_names() {
    // printf '\x0d\0\0\0.text.kv_read\x04\0\0\0\0\0\0\0code' | sha256sum
    let expected = "c0402695c6546133de128e1ee56a98d0fcf63db5db8128c6efd933a80e96318d";
    assert_eq!(digests(&[KERNEL])["sm_90"], expected);
    let shared = (".nv.shared.kv_read", NOBITS, &[0; 256][..]);
    assert_eq!(digests(&[KERNEL, shared]), digests(&[shared, KERNEL]));
    assert_ne!(digests(&[KERNEL, shared]), digests(&[KERNEL]));
}

#[test]
fn what_depends_on_the_directory_of_the_build_does_not_count() {
    let plain = digests(&[KERNEL]);
    for name in [
        ".debug_line",
        ".nv.merc.debug_str",
        ".note.nv.tkinfo",
        ".strtab",
        ".symtab",
        ".nv.merc.symtab",
    ] {
        assert_eq!(
            digests(&[KERNEL, (name, PROGBITS, b"/home/someone")]),
            plain,
            "{name}"
        );
    }
    assert_ne!(digests(&[(".text.kv_read", PROGBITS, b"edoc")]), plain);
    assert_ne!(digests(&[(".text.kv_write", PROGBITS, b"code")]), plain);
}

#[test]
fn every_architecture_has_its_digest() {
    let found = code_digests(&fatbin(&[(90, &[KERNEL]), (121, &[KERNEL])])).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["sm_121", "sm_90"]);
    assert_eq!(found["sm_90"], found["sm_121"]);
}

#[test]
fn an_image_with_anything_but_one_elf_per_architecture_is_refused() {
    insta::assert_snapshot!(error(&container(&entry(1, 90, b".version 9.0"))),
        @"not a kernel image: expected an ELF image, found PTX or another kind of entry at byte 16");
    insta::assert_snapshot!(error(&fatbin(&[(90, &[KERNEL]), (90, &[KERNEL])])),
        @"not a kernel image: expected one image per architecture, found a second at byte 365");
    insta::assert_snapshot!(error(&fatbin(&[(90, &[KERNEL, KERNEL])])),
        @"not a kernel image: expected sections of different names, found one twice at byte 319");
    insta::assert_snapshot!(error(&container(&entry(2, 90, b"no ELF header"))),
        @"not a kernel image: expected a 64-bit ELF header at byte 80");
    insta::assert_snapshot!(error(b"not an image of kernels"),
        @"not a kernel image: expected the magic number of a container at byte 0");
    insta::assert_snapshot!(error(b""),
        @"not a kernel image: expected at least one ELF image at byte 0");
}

#[test]
fn a_truncated_image_is_refused_wherever_it_ends() {
    let image = fatbin(&[(90, &[KERNEL]), (120, &[KERNEL])]);
    for end in 0..image.len() {
        assert!(
            code_digests(&image[..end]).is_err(),
            "{end} of {} bytes",
            image.len()
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0_usize..600, bytes in prop::collection::vec(any::<u8>(), 1..16)) {
        let mut image = fatbin(&[(90, &[KERNEL]), (120, &[KERNEL])]);
        let at = at % image.len();
        let end = (at + bytes.len()).min(image.len());
        image[at..end].copy_from_slice(&bytes[..end - at]);
        let _ = code_digests(&image);
    }
}
