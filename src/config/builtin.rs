//! The configurations that are part of the program. Adding one is a file under `configs/` and a line here.

/// What a file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hardware.
    Machine,
    /// Weights and architecture.
    Model,
    /// A model on a machine, with contexts and goals.
    Target,
}

impl Role {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Model => "model",
            Self::Target => "target",
        }
    }
}

/// One embedded file.
#[derive(Debug, Clone, Copy)]
pub(super) struct BuiltIn {
    pub role: Role,
    pub name: &'static str,
    pub path: &'static str,
    pub text: &'static str,
}

macro_rules! built_in {
    ($($role:ident $folder:literal: $($name:literal)*;)*) => {
        &[$($(BuiltIn {
            role: Role::$role,
            name: $name,
            path: concat!($folder, "/", $name, ".yaml"),
            text: include_str!(concat!("../../", $folder, "/", $name, ".yaml")),
        },)*)*]
    };
}

/// Every built-in file; machines in the order in which tables show them.
const FILES: &[BuiltIn] = built_in! {
    Machine "configs": "rtx5090" "rtx_spark" "jetson_thor" "h100";
    Model "configs/models": "qwen35_35b_a3b" "gemma4_26b_a4b";
    Target "configs/targets":
        "qwen35_35b_a3b_rtx5090" "qwen35_35b_a3b_rtx_spark" "qwen35_35b_a3b_jetson_thor" "qwen35_35b_a3b_h100"
        "gemma4_26b_a4b_rtx5090" "gemma4_26b_a4b_rtx_spark" "gemma4_26b_a4b_jetson_thor" "gemma4_26b_a4b_h100";
};

/// Names of all built-in files of a role.
pub fn built_in_names(role: Role) -> Vec<&'static str> {
    of_role(role).map(|file| file.name).collect()
}

pub(super) fn of_role(role: Role) -> impl Iterator<Item = &'static BuiltIn> {
    FILES.iter().filter(move |file| file.role == role)
}

pub(super) fn find(role: Role, name: &str) -> Option<&'static BuiltIn> {
    of_role(role).find(|file| file.name == name)
}
