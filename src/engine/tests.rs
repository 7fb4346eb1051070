//! The session as the harness sees it.

use std::path::PathBuf;

use crate::protocol::{ErrorCode, Loaded, Reply, Request, VERSION};

use super::fake::Fake;
use super::*;

mod arrays;

const HELLO: Request = Request::Hello { version: VERSION };

fn load(context: u32) -> Request {
    Request::Load {
        context,
        device: "cpu".to_owned(),
        path: PathBuf::from("model.gguf"),
    }
}

fn decode(tokens: u32, traced: &[u32]) -> Request {
    Request::Decode {
        tokens,
        traced: traced.to_vec(),
    }
}

fn prefill(ids: &[u32]) -> Request {
    Request::Prefill { ids: ids.to_vec() }
}

/// What the session answers, and how it ends.
fn session(requests: &[Request]) -> (Vec<Reply>, Result<(), ServeError>) {
    let input: Vec<u8> = requests
        .iter()
        .flat_map(|one| one.bytes().unwrap())
        .collect();
    bytes_session(&input)
}

fn bytes_session(mut input: &[u8]) -> (Vec<Reply>, Result<(), ServeError>) {
    let mut output = Vec::new();
    let mut open = |device, _: &_, options: Options| match device {
        Device::Cpu => Ok(Box::new(Fake::new(options.context.unwrap())) as Box<dyn Engine>),
        Device::Cuda => Err(EngineError::Unavailable {
            device,
            reason: "none here".to_owned(),
            hint: None,
        }),
    };
    let result = serve(&mut input, &mut output, "fake 1", &mut open);
    let mut output = output.as_slice();
    let replies = std::iter::from_fn(|| Reply::read(&mut output).unwrap()).collect();
    (replies, result)
}

fn ids(replies: &[Reply]) -> Vec<u32> {
    let id = |reply: &Reply| match reply {
        Reply::Token { id, .. } => Some(*id),
        _ => None,
    };
    replies.iter().filter_map(id).collect()
}

#[test]
fn a_session_is_answered_frame_by_frame() {
    let prompt = [5, 6, 7];
    let (replies, result) = session(&[
        HELLO,
        load(20),
        prefill(&prompt),
        decode(3, &[1]),
        Request::Stop,
    ]);
    result.unwrap();
    let expected = Fake::continuation(&prompt, 3);
    // The pass that chose token 1 is that of token 0, the fourth in the context.
    let routing = Fake::new(0).experts(expected[0], 4);
    let routing = routing
        .iter()
        .map(|layer| layer.iter().map(|id| *id as u16).collect())
        .collect();
    let token = |id| Reply::Token {
        id,
        routing: vec![],
    };
    assert_eq!(
        replies,
        [
            Reply::Hello {
                version: 1,
                name: "fake 1".to_owned(),
                offers: vec!["fill".to_owned(), "stages".to_owned()],
            },
            Reply::Loaded(Loaded {
                vocabulary: 2048,
                context: 20,
                layers: 8,
                experts: 16,
                experts_used: 8
            }),
            Reply::Done { position: 3 },
            token(expected[0]),
            Reply::Token {
                id: expected[1],
                routing
            },
            token(expected[2]),
            Reply::Done { position: 6 },
        ]
    );
}

#[test]
fn a_decode_goes_on_where_the_one_before_ended() {
    let prompt = [1, 2];
    let whole = Fake::continuation(&prompt, 7);
    let (replies, result) = session(&[
        HELLO,
        load(9),
        prefill(&prompt),
        decode(3, &[]),
        decode(4, &[]),
    ]);
    result.unwrap();
    assert_eq!(ids(&replies), whole);

    let (replies, result) = session(&[
        HELLO,
        load(9),
        prefill(&prompt),
        decode(2, &[]),
        prefill(&[9]),
        decode(1, &[]),
    ]);
    result.unwrap();
    let continued = [&prompt[..], &whole[..2], &[9]].concat();
    assert_eq!(ids(&replies)[2..], Fake::continuation(&continued, 1));
}

#[test]
fn a_reset_forgets_every_token() {
    let (replies, result) = session(&[
        HELLO,
        load(5),
        prefill(&[1, 2, 3]),
        decode(2, &[]),
        Request::Reset,
        prefill(&[4]),
        decode(2, &[]),
    ]);
    result.unwrap();
    assert!(replies.contains(&Reply::Done { position: 0 }));
    assert_eq!(ids(&replies)[2..], Fake::continuation(&[4], 2));
}

#[test]
fn an_engine_reports_on_itself() {
    let (replies, result) = session(&[
        HELLO,
        load(9),
        prefill(&[1, 2, 3]),
        decode(2, &[]),
        Request::Statistics,
    ]);
    result.unwrap();
    let Some(Reply::Statistics(entries)) = replies.last() else {
        panic!("{replies:?}");
    };
    let expected = [
        ("engine", "fake 1"),
        ("device", "cpu"),
        ("prefill_tokens", "3"),
        ("decode_tokens", "2"),
    ];
    for (name, value) in expected {
        assert_eq!(entries[name], value);
    }
    assert!(entries["decode_ns"].parse::<u64>().unwrap() > 0);
}

#[test]
fn a_filled_context_goes_on_behind_a_prompt() {
    let fill = |tokens| Request::Fill { tokens };
    let (replies, result) = session(&[
        HELLO,
        load(20),
        fill(12),
        prefill(&[5, 6]),
        decode(3, &[]),
        Request::Reset,
        prefill(&[5, 6]),
    ]);
    result.unwrap();
    let prompt = [&[1; 12][..], &[5, 6]].concat();
    assert_eq!(ids(&replies), Fake::continuation(&prompt, 3));
    let positions = replies.iter().filter_map(|reply| match reply {
        Reply::Done { position } => Some(*position),
        _ => None,
    });
    assert_eq!(positions.collect::<Vec<_>>(), [12, 14, 17, 0, 2]);

    let refused = |requests: &[Request]| session(requests).1.unwrap_err().to_string();
    assert_eq!(
        refused(&[HELLO, load(9), fill(3), decode(2, &[])]),
        "expected prefill before decode"
    );
    assert_eq!(
        refused(&[HELLO, load(9), prefill(&[1]), fill(3)]),
        "expected reset before fill"
    );
    assert_eq!(
        refused(&[HELLO, load(9), fill(10)]),
        "expected at most 9 tokens in the context, found 0 and 10 more"
    );
}

#[test]
fn an_engine_without_stages_says_so() {
    let (replies, result) = session(&[HELLO, load(9), Request::Stages { position: 3 }]);
    let said = "expected an engine on a GPU to take a token apart, found another";
    assert_eq!(result.unwrap_err().to_string(), said);
    assert_eq!(
        replies.last(),
        Some(&Reply::error(ErrorCode::Request, said, None))
    );
}

#[test]
fn what_cannot_be_done_ends_the_session_with_an_error_frame() {
    let cuda = Request::Load {
        context: 5,
        device: "cuda".to_owned(),
        path: PathBuf::from("model.gguf"),
    };
    let abacus = Request::Load {
        context: 5,
        device: "abacus".to_owned(),
        path: PathBuf::from("model.gguf"),
    };
    let sessions: [&[Request]; 9] = [
        &[Request::Hello { version: 2 }],
        &[load(5)],
        &[HELLO, prefill(&[1])],
        &[HELLO, load(5), decode(1, &[])],
        &[HELLO, load(5), prefill(&[1, 2, 3, 4, 5, 6])],
        &[HELLO, load(5), prefill(&[1, 2, 3]), decode(3, &[])],
        &[HELLO, load(5), prefill(&[1_000_000])],
        &[HELLO, cuda],
        &[HELLO, abacus],
    ];
    let said = sessions.map(|requests| {
        let (replies, result) = session(requests);
        let error = result.unwrap_err();
        let Some(Reply::Error {
            code,
            message,
            hint,
        }) = replies.last()
        else {
            panic!("{replies:?}");
        };
        assert_eq!((*code, message), (error.code(), &error.to_string()));
        format!("{} {message}\n  hint: {hint}", code.number())
    });
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn garbage_ends_the_session_with_an_error_frame() {
    let (replies, result) = bytes_session(b"GET / HTTP/1.1\r\n");
    assert!(matches!(result, Err(ServeError::Protocol(_))));
    let code = ErrorCode::Request;
    assert!(matches!(&replies[..], [Reply::Error { code: c, .. }] if *c == code));
}

/// Refuses every write, as a pipe does whose reader is gone.
struct HungUp;

impl std::io::Write for HungUp {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_harness_that_hangs_up_ends_the_session() {
    let input = HELLO.bytes().unwrap();
    let mut open = |_, _: &_, _| unreachable!();
    let result = serve(&mut input.as_slice(), &mut HungUp, "fake", &mut open);
    assert!(matches!(result, Err(ServeError::Output(_))));
}

/// Counts writes and notes whether each was flushed before the next.
#[derive(Default)]
struct Flushes {
    frames: usize,
    unflushed: bool,
}

impl std::io::Write for Flushes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        assert!(!self.unflushed);
        self.frames += 1;
        self.unflushed = true;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.unflushed = false;
        Ok(())
    }
}

#[test]
fn each_frame_is_one_write_and_flushed_at_once() {
    let requests = [HELLO, load(9), prefill(&[1]), decode(5, &[0, 4])];
    let input: Vec<u8> = requests
        .iter()
        .flat_map(|one| one.bytes().unwrap())
        .collect();
    let mut open = |_, _: &_, _| Ok(Box::new(Fake::new(9)) as Box<dyn Engine>);
    let mut output = Flushes::default();
    serve(&mut input.as_slice(), &mut output, "fake", &mut open).unwrap();
    assert_eq!((output.frames, output.unflushed), (3 + 5 + 1, false));
}

#[test]
fn ids_are_decimal_and_separated_by_white_space() {
    assert_eq!(parse_ids(" 1\t22\n\r\n333 ").unwrap(), [1, 22, 333]);
    assert_eq!(parse_ids("4294967295").unwrap(), [u32::MAX]);
    let refused = ["", " \n", "1,2", "1 0x2", "+1", "-1", "4294967296", "1 2 x"];
    let lines = refused.map(|text| parse_ids(text).unwrap_err().to_string());
    insta::assert_snapshot!(lines.join("\n"));
}
