//! The processor's name from `/proc/cpuinfo`, which on 64-bit ARM gives part numbers instead of names.

use std::collections::BTreeMap;

/// Implementer code of Arm Ltd.
const ARM: u32 = 0x41;

/// Part numbers of Arm's cores (Linux, `arch/arm64/include/asm/cputype.h`).
const ARM_PARTS: &[(u32, &str)] = &[
    (0xd0c, "Neoverse-N1"),
    (0xd40, "Neoverse-V1"),
    (0xd42, "Cortex-A78AE"),
    (0xd49, "Neoverse-N2"),
    (0xd4f, "Neoverse-V2"),
    (0xd83, "Neoverse-V3AE"),
    (0xd84, "Neoverse-V3"),
    (0xd85, "Cortex-X925"),
    (0xd87, "Cortex-A725"),
    (0xd8e, "Neoverse-N3"),
];

/// The processor's model: `model name` where the kernel gives it, else the kinds of cores with their numbers.
pub(super) fn cpu_model(cpuinfo: &str) -> Option<String> {
    let name = values(cpuinfo, "model name").find(|name| !name.is_empty());
    name.map(str::to_owned).or_else(|| arm_cores(cpuinfo))
}

/// Whether the processor says that a hypervisor is below it; `None` where it has no such flag (other than x86).
pub(super) fn under_hypervisor(cpuinfo: &str) -> Option<bool> {
    let flags = values(cpuinfo, "flags").next()?;
    Some(flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// E.g. `10 x Cortex-A725, 10 x Cortex-X925`.
fn arm_cores(cpuinfo: &str) -> Option<String> {
    let implementers = values(cpuinfo, "CPU implementer").map(hex);
    let parts = values(cpuinfo, "CPU part").map(hex);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for (implementer, part) in implementers.zip(parts) {
        *kinds.entry(core_name(implementer?, part?)).or_default() += 1;
    }
    let kinds: Vec<String> = kinds
        .into_iter()
        .map(|(name, count)| format!("{count} x {name}"))
        .collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

fn core_name(implementer: u32, part: u32) -> String {
    ARM_PARTS
        .iter()
        .find(|(known, _)| implementer == ARM && *known == part)
        .map_or_else(
            || format!("implementer {implementer:#04x} part {part:#05x}"),
            |(_, name)| (*name).to_owned(),
        )
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The values of `key` in lines `key : value`.
fn values<'a>(cpuinfo: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(move |(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First lines of two processors of a virtual machine with an AMD EPYC.
    const X86: &str = "\
processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC
flags\t\t: fpu vme sse2 hypervisor lahf_lm avx2

processor\t: 1
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC
flags\t\t: fpu vme sse2 hypervisor lahf_lm avx2
";

    fn arm(parts: &[(&str, &str)]) -> String {
        (0..)
            .zip(parts)
            .map(|(index, (implementer, part))| {
                format!(
                    "processor\t: {index}\nBogoMIPS\t: 2000.00\nFeatures\t: fp asimd evtstrm aes\n\
                     CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU variant\t: 0x0\n\
                     CPU part\t: {part}\nCPU revision\t: 1\n\n"
                )
            })
            .collect()
    }

    #[test]
    fn an_x86_processor_gives_its_name_and_its_hypervisor() {
        assert_eq!(cpu_model(X86).as_deref(), Some("AMD EPYC"));
        assert_eq!(under_hypervisor(X86), Some(true));
        assert_eq!(
            under_hypervisor(&X86.replace("hypervisor ", "")),
            Some(false)
        );
    }

    #[test]
    fn an_arm_processor_is_named_by_its_cores() {
        let gb10 = arm(&[("0x41", "0xd87"), ("0x41", "0xd85"), ("0x41", "0xd87")]);
        assert_eq!(
            cpu_model(&gb10).as_deref(),
            Some("2 x Cortex-A725, 1 x Cortex-X925")
        );
        assert_eq!(under_hypervisor(&gb10), None);
        let thor = arm(&[("0x41", "0xd83"); 14]);
        assert_eq!(cpu_model(&thor).as_deref(), Some("14 x Neoverse-V3AE"));
    }

    #[test]
    fn an_unknown_core_keeps_its_numbers() {
        let text = arm(&[("0x4e", "0x004"), ("0x41", "0xfff")]);
        assert_eq!(
            cpu_model(&text).as_deref(),
            Some("1 x implementer 0x41 part 0xfff, 1 x implementer 0x4e part 0x004")
        );
    }

    #[test]
    fn a_text_without_processors_gives_nothing() {
        for text in [
            "",
            "processor : 0\n",
            "CPU implementer : x\nCPU part : 0xd40\n",
        ] {
            assert_eq!(cpu_model(text), None);
        }
    }
}
