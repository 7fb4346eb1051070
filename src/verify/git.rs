//! Asks git about a checkout; reads objects by their names and changes nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A git checkout that the caller trusts.
#[derive(Debug)]
pub struct Checkout {
    directory: PathBuf,
}

impl Checkout {
    /// The checkout in `directory`. Nothing is looked at yet.
    pub fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// The directory that the checkout is, where a directory in it was given.
    ///
    /// # Errors
    /// What git says.
    pub fn top(&self) -> Result<PathBuf, String> {
        let output = self.ask(&["rev-parse", "--show-toplevel"])?;
        match output.status.success() {
            true => Ok(PathBuf::from(
                String::from_utf8_lossy(&output.stdout).trim_end(),
            )),
            false => Err(format!("{}: {}", self.directory.display(), said(&output))),
        }
    }

    /// Whether the checkout holds only a part of its history.
    ///
    /// # Errors
    /// What git says.
    pub fn is_shallow(&self) -> Result<bool, String> {
        let output = self.ask(&["rev-parse", "--is-shallow-repository"])?;
        match output.status.success() {
            true => Ok(output.stdout.starts_with(b"true")),
            false => Err(said(&output)),
        }
    }

    /// The full name of what `name` stands for, or what git says.
    pub(super) fn object(&self, name: &str) -> Result<String, String> {
        let output = self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", name])?;
        match output.status.code() {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            Some(1) => Err(format!("{name} is not in {}", self.directory.display())),
            // No checkout, or one that git does not trust.
            _ => Err(format!("{}: {}", self.directory.display(), said(&output))),
        }
    }

    /// Whether `commit` is HEAD or an ancestor of it.
    pub(super) fn is_merged(&self, commit: &str) -> Result<bool, String> {
        let output = self.ask(&["merge-base", "--is-ancestor", commit, "HEAD"])?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(said(&output)),
        }
    }

    /// The files of `commit` at and below `paths`.
    ///
    /// # Errors
    /// What git says.
    pub fn list(&self, commit: &str, paths: &[&str]) -> Result<Vec<String>, String> {
        let mut arguments = vec![
            "ls-tree",
            "-r",
            "-z",
            "--name-only",
            "--full-tree",
            commit,
            "--",
        ];
        arguments.extend(paths);
        let output = self.ask(&arguments)?;
        if !output.status.success() {
            return Err(said(&output));
        }
        let names = String::from_utf8_lossy(&output.stdout);
        Ok(names
            .split('\0')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// The content of each of `paths` in `commit`; a file that is not there is not in the answer.
    ///
    /// # Errors
    /// What git says.
    pub fn contents(
        &self,
        commit: &str,
        paths: &[String],
    ) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let names: String = paths
            .iter()
            .map(|path| format!("{commit}:{path}\n"))
            .collect();
        if paths.iter().any(|path| path.contains('\n')) {
            return Err("expected paths of one line".to_owned());
        }
        let mut child = self
            .command(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run git: {error}"))?;
        // Written from a thread: git answers while it is still being asked.
        let input = child.stdin.take();
        let writer =
            std::thread::spawn(move || input.map(|mut input| input.write_all(names.as_bytes())));
        let output = child
            .wait_with_output()
            .map_err(|error| format!("cannot run git: {error}"))?;
        // If it could not be asked, its answer is short, which shows below.
        let _ = writer.join();
        if !output.status.success() {
            return Err(format!("{}: {}", self.directory.display(), said(&output)));
        }
        parse_batch(&output.stdout, paths)
            .ok_or_else(|| "git cat-file gave another answer than expected".to_owned())
    }

    fn ask(&self, arguments: &[&str]) -> Result<Output, String> {
        self.command(arguments)
            .output()
            .map_err(|error| format!("cannot run git: {error}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // The repository is the one given, also in a hook of another; replaced objects are not what a commit names.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            command.env_remove(variable);
        }
        command
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .arg("--no-optional-locks")
            .arg("-C")
            .arg(&self.directory)
            .args(arguments);
        command
    }
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    format!("git: {}", text.lines().next().unwrap_or("no reason given"))
}

/// `<id> blob <bytes>\n<content>\n` per path, or a line that ends in ` missing`.
fn parse_batch(mut answer: &[u8], paths: &[String]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    for path in paths {
        let end = answer.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = answer.split_at_checked(end)?;
        let head = std::str::from_utf8(head).ok()?;
        answer = rest.get(1..)?;
        if head.ends_with(" missing") {
            continue;
        }
        let bytes: usize = head.rsplit(' ').next()?.parse().ok()?;
        let (content, rest) = answer.split_at_checked(bytes)?;
        if head.contains(" blob ") {
            contents.insert(path.clone(), content.to_vec());
        }
        answer = rest.get(1..)?;
    }
    Some(contents)
}
