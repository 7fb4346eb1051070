//! A stand-in for `llama-server`: health, properties, and a stream of ids that follow from the prompt's sum.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const LOADING: Duration = Duration::from_millis(120);

pub fn serve(lie: &str, arguments: &[String]) {
    let value = |name: &str| {
        let at = arguments
            .iter()
            .position(|argument| argument == name)
            .unwrap();
        arguments[at + 1].as_str()
    };
    let listener = TcpListener::bind((value("--host"), value("--port").parse().unwrap())).unwrap();
    let begin = Instant::now();
    for stream in listener.incoming() {
        answer(lie, begin.elapsed() > LOADING, stream.unwrap());
    }
}

fn answer(lie: &str, loaded: bool, mut stream: TcpStream) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let path = head[0].split(' ').nth(1).unwrap();
    match path {
        "/health" if loaded && lie != "never_loads" => {
            plain(&mut stream, "200 OK", r#"{"status":"ok"}"#)
        }
        "/health" => plain(&mut stream, "503 Service Unavailable", "{}"),
        "/props" => plain(&mut stream, "200 OK", r#"{"build_info":"b1-fake"}"#),
        "/completion" => {
            let length = head
                .iter()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            input.read_exact(&mut body).unwrap();
            completion(lie, &serde_json::from_slice(&body).unwrap(), &mut stream);
        }
        _ => plain(&mut stream, "404 Not Found", "{}"),
    }
}

fn plain(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .unwrap();
}

fn completion(lie: &str, request: &Value, stream: &mut TcpStream) {
    assert_eq!(
        (
            &request["stream"],
            &request["return_tokens"],
            &request["cache_prompt"]
        ),
        (&json!(true), &json!(true), &json!(false))
    );
    let prompt = request["prompt"].as_array().unwrap();
    if lie == "refuses" {
        return plain(
            stream,
            "400 Bad Request",
            r#"{"error":{"message":"too long"}}"#,
        );
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .unwrap();
    let sum: u64 = prompt.iter().map(|id| id.as_u64().unwrap()).sum();
    let tokens = request["n_predict"].as_u64().unwrap();
    for step in 0..tokens {
        thread::sleep(Duration::from_millis(2));
        match lie {
            "crash" if step == 2 => std::process::abort(),
            "hang" if step == 2 => thread::sleep(Duration::from_secs(60)),
            "garbage" if step == 2 => event(stream, "{oops"),
            "withholds" if step == 2 => continue,
            _ => {}
        }
        let id = (sum + step) % 1024 + if lie == "wrong_id" { 1024 } else { 0 };
        event(
            stream,
            &json!({"content": "x", "tokens": [id], "stop": false}).to_string(),
        );
    }
    let counted = if lie == "too_few_tokens" {
        tokens - 1
    } else {
        tokens
    };
    let last = json!({
        "content": "", "tokens": [], "stop": true, "tokens_predicted": counted,
        "tokens_evaluated": prompt.len(), "timings": {"predicted_ms": 1.5},
    });
    let end = chunk(&last.to_string()) + "0\r\n\r\n";
    // Whoever has seen the last event may have hung up before the last chunk.
    let _ = stream.write_all(end.as_bytes());
}

fn event(stream: &mut TcpStream, data: &str) {
    stream.write_all(chunk(data).as_bytes()).unwrap();
}

fn chunk(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}
