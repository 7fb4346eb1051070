//! Every frame comes back as it was sent, and no bytes make a reader panic.

use std::path::PathBuf;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    "[a-zé€😀 /=]{0,20}"
}

fn request() -> impl Strategy<Value = Request> {
    let decode = (1u32..200).prop_flat_map(|tokens| {
        btree_set(0..tokens, 0..8).prop_map(move |traced| Request::Decode {
            tokens,
            traced: traced.into_iter().collect(),
        })
    });
    let load =
        (any::<u32>(), text(), "[^\0]{1,40}").prop_map(|(context, device, path)| Request::Load {
            context,
            device,
            path: PathBuf::from(path),
        });
    prop_oneof![
        any::<u16>().prop_map(|version| Request::Hello { version }),
        load,
        vec(any::<u32>(), 1..100).prop_map(|ids| Request::Prefill { ids }),
        decode,
        (1u32..).prop_map(|tokens| Request::Fill { tokens }),
        any::<u32>().prop_map(|position| Request::Stages { position }),
        Just(Request::Reset),
        Just(Request::Statistics),
        Just(Request::Stop),
    ]
}

fn routing() -> impl Strategy<Value = Routing> {
    (1usize..6, 1usize..9).prop_flat_map(|(layers, used)| vec(vec(any::<u16>(), used), layers))
}

fn stage_part() -> impl Strategy<Value = StagePart> {
    let numbers = any::<(u32, u64, u64, u64, u64)>();
    (text(), text(), numbers).prop_map(|(part, kernel, numbers)| {
        let (launches, bytes, ns, with_ns, without_ns) = numbers;
        StagePart {
            part,
            kernel,
            launches,
            bytes,
            ns,
            with_ns,
            without_ns,
        }
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let loaded = any::<(u32, u32, u16, u16, u16)>().prop_map(|fields| {
        let (vocabulary, context, layers, experts, experts_used) = fields;
        Reply::Loaded(Loaded {
            vocabulary,
            context,
            layers,
            experts,
            experts_used,
        })
    });
    let error = (0..4usize, text(), text()).prop_map(|(code, message, hint)| {
        Reply::error(ErrorCode::ALL[code], &message, Some(&hint))
    });
    prop_oneof![
        (any::<u16>(), text(), vec("[a-z_]{1,9}", 0..4)).prop_map(|(version, name, offers)| {
            Reply::Hello {
                version,
                name,
                offers,
            }
        }),
        (any::<u32>(), any::<u64>(), vec(stage_part(), 0..4)).prop_map(
            |(position, token_ns, parts)| {
                Reply::Stages(Stages {
                    position,
                    token_ns,
                    parts,
                })
            }
        ),
        loaded,
        any::<u32>().prop_map(|position| Reply::Done { position }),
        any::<u32>().prop_map(|id| Reply::Token {
            id,
            routing: vec![]
        }),
        (any::<u32>(), routing()).prop_map(|(id, routing)| Reply::Token { id, routing }),
        btree_map("[a-z0-9_.]{1,9}", text(), 0..5).prop_map(Reply::Statistics),
        error,
    ]
}

/// Bytes of a frame around a payload that may be anything.
fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [b"SB".as_slice(), &[kind, 0], &length, payload].concat()
}

fn read_all(bytes: &[u8]) {
    let (mut requests, mut replies) = (bytes, bytes);
    while let Ok(Some(_)) = Request::read(&mut requests) {}
    while let Ok(Some(_)) = Reply::read(&mut replies) {}
}

proptest! {
    #[test]
    fn requests_come_back_as_they_were_sent(sent in vec(request(), 0..5)) {
        let bytes: Vec<u8> = sent.iter().flat_map(|one| one.bytes().unwrap()).collect();
        let mut stream = bytes.as_slice();
        for one in &sent {
            prop_assert_eq!(Request::read(&mut stream).unwrap(), Some(one.clone()));
        }
        prop_assert!(Request::read(&mut stream).unwrap().is_none());
    }

    #[test]
    fn replies_come_back_as_they_were_sent(sent in vec(reply(), 0..5)) {
        let bytes: Vec<u8> = sent.iter().flat_map(|one| one.bytes().unwrap()).collect();
        let mut stream = bytes.as_slice();
        for one in &sent {
            prop_assert_eq!(Reply::read(&mut stream).unwrap(), Some(one.clone()));
        }
        prop_assert!(Reply::read(&mut stream).unwrap().is_none());
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn garbage_in_a_sound_header_is_never_a_panic(
        kind in prop_oneof![0u8..11, 0x80u8..0x89],
        payload in vec(prop_oneof![0u8..3, any::<u8>()], 0..60),
    ) {
        read_all(&framed(kind, &payload));
    }

    #[test]
    fn a_changed_byte_is_another_frame_or_an_error(
        sent in reply(),
        at in any::<prop::sample::Index>(),
        by in 1u8..,
    ) {
        let mut bytes = sent.bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        let mut stream = bytes.as_slice();
        if let Ok(Some(read)) = Reply::read(&mut stream) {
            prop_assert_ne!(read, sent);
        }
    }

    #[test]
    fn every_stream_that_breaks_off_is_an_error(sent in request(), at in any::<prop::sample::Index>()) {
        let bytes = sent.bytes().unwrap();
        let at = at.index(bytes.len() - 1) + 1;
        if at < bytes.len() {
            let broken = Request::read(&mut &bytes[..at]);
            prop_assert!(matches!(broken, Err(ProtocolError::Truncated { .. })), "{broken:?}");
        }
    }
}

fn refusal<T: std::fmt::Debug>(read: Result<T, ProtocolError>) -> String {
    read.unwrap_err().to_string()
}

#[test]
fn what_is_no_reply_is_refused_with_the_reason() {
    let long = [b"SB".as_slice(), &[0x84, 0], &[0, 0, 2, 0]].concat();
    let refused = [
        Reply::read(&mut b"Loading model... done\n".as_slice()),
        Reply::read(&mut b"SB".as_slice()),
        Reply::read(&mut long.as_slice()),
        Reply::read(&mut framed(4, &[]).as_slice()),
        Reply::read(&mut framed(0x83, &[1, 2]).as_slice()),
        Reply::read(&mut framed(0x83, &[1, 2, 3, 4, 5]).as_slice()),
        Reply::read(&mut framed(0x84, &[1, 0, 0, 0, 2, 0, 3, 0, 7, 0]).as_slice()),
        Reply::read(&mut framed(0x85, b"a=1\na=2\n").as_slice()),
        Reply::read(&mut framed(0x85, b"tokens per second: 9000").as_slice()),
        Reply::read(&mut framed(0x81, b"\x01\0\x1b[31mred").as_slice()),
        Reply::read(&mut framed(0x86, &[3, 0, 0, 0]).as_slice()),
        Reply::read(&mut framed(0x81, b"\x01\0engine\n").as_slice()),
        Reply::read(&mut framed(0x81, b"\x01\0engine\nfill Stages").as_slice()),
        Reply::read(&mut framed(0x87, &[0; 13]).as_slice()),
    ];
    insta::assert_snapshot!(refused.map(refusal).join("\n"));
}

#[test]
fn what_is_no_request_is_refused_with_the_reason() {
    let zero = |bytes: &[u8]| framed(4, bytes);
    let refused = [
        Request::read(&mut framed(0, &[]).as_slice()),
        Request::read(&mut framed(10, &[]).as_slice()),
        Request::read(&mut framed(8, &[0, 0, 0, 0]).as_slice()),
        Request::read(&mut framed(9, &[0, 0]).as_slice()),
        Request::read(&mut framed(3, &[]).as_slice()),
        Request::read(&mut framed(3, &[1, 2, 3]).as_slice()),
        Request::read(&mut zero(&[0, 0, 0, 0]).as_slice()),
        Request::read(&mut zero(&[2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]).as_slice()),
        Request::read(&mut zero(&[2, 0, 0, 0, 2, 0, 0, 0]).as_slice()),
        Request::read(&mut framed(2, &[0, 1, 0, 0, 3, 0, b'c', b'p', b'u', 0, 0]).as_slice()),
        Request::read(&mut framed(2, &[0, 1, 0, 0, 9, 0, b'c', b'p', b'u']).as_slice()),
        Request::read(&mut framed(5, &[0]).as_slice()),
    ];
    insta::assert_snapshot!(refused.map(refusal).join("\n"));
}

#[test]
fn what_no_frame_can_carry_is_not_sent() {
    let ids = vec![0; MOST_IDS];
    assert!(Request::Prefill { ids: ids.clone() }.bytes().is_ok());
    let more = [ids, vec![0]].concat();
    assert!(Request::Prefill { ids: more }.bytes().is_err());
    let uneven = vec![vec![1, 2], vec![3]];
    let token = Reply::Token {
        id: 1,
        routing: uneven,
    };
    assert!(token.bytes().is_err());
    let many = Reply::Token {
        id: 1,
        routing: vec![vec![0; 8]; 5000],
    };
    assert!(matches!(many.bytes(), Err(ProtocolError::TooLong { .. })));
    let lines = Reply::Statistics([("a".to_owned(), "1\nb=2".to_owned())].into());
    assert!(lines.bytes().is_err());
}

#[test]
fn an_error_s_text_is_made_to_fit() {
    let message = "lines\nline\u{1b}[1m ".to_owned() + &"é".repeat(5000);
    let sent = Reply::error(ErrorCode::Memory, &message, None);
    let bytes = sent.bytes().unwrap();
    let Some(Reply::Error { message, .. }) = Reply::read(&mut bytes.as_slice()).unwrap() else {
        panic!("no error frame");
    };
    assert!(message.starts_with("lines line [1m é"));
    assert_eq!(message.len(), 4095);
}

#[test]
fn the_bytes_are_the_documented_ones() {
    // docs/engine-protocol.md, "An example".
    let decode = Request::Decode {
        tokens: 3,
        traced: vec![2],
    };
    assert_eq!(
        decode.bytes().unwrap(),
        [0x53, 0x42, 0x04, 0, 8, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0]
    );
    let token = Reply::Token {
        id: 0x0001_2345,
        routing: vec![vec![7, 260], vec![1, 0]],
    };
    assert_eq!(
        token.bytes().unwrap(),
        [
            0x53, 0x42, 0x84, 0, 16, 0, 0, 0, 0x45, 0x23, 1, 0, 2, 0, 2, 0, 7, 0, 4, 1, 1, 0, 0, 0
        ]
    );
}
