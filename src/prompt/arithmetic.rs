//! Exercises in arithmetic with their right answers.

use super::draws::Draws;

/// Some exercises, one a line.
pub(super) fn exercises(draws: &mut Draws) -> String {
    let lines = draws.between(5, 10);
    let exercises: Vec<String> = (0..lines).map(|_| exercise(draws)).collect();
    exercises.join("\n")
}

fn exercise(draws: &mut Draws) -> String {
    let (a, b, c) = (
        draws.between(12, 9999),
        draws.between(3, 998),
        draws.between(2, 97),
    );
    match draws.below(10) {
        0 => format!("{a} + {b} + {c} = {}", a + b + c),
        1 => format!(
            "{a} - {c} = {} because {} + {c} = {a}.",
            signed(a, c),
            signed(a, c)
        ),
        2 => format!("{b} * {c} = {}", b * c),
        3 => format!("{a} / {c} = {} remainder {}", a / c, a % c),
        4 => format!("({a} + {b}) * {c} = {} * {c} = {}", a + b, (a + b) * c),
        5 => format!("{c}% of {a} is {}.{:02}.", a * c / 100, a * c % 100),
        6 => {
            let divisor = common_divisor(a, b);
            format!(
                "{a}/{b} = {}/{}, dividing both by {divisor}.",
                a / divisor,
                b / divisor
            )
        }
        7 => format!(
            "The square of {b} is {}; half of it is {}.",
            b * b,
            b * b / 2
        ),
        8 => format!(
            "If {c} crates hold {b} apples each, and {} are eaten, then {} are left.",
            b,
            c * b - b
        ),
        _ => format!("Solve {c}x + {b} = {}: x = {a}.", c * a + b),
    }
}

/// `a - b`, below zero too.
fn signed(a: u64, b: u64) -> i64 {
    a as i64 - b as i64
}

fn common_divisor(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        _ => common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_right() {
        let text: Vec<String> = (0..50).map(|i| exercises(&mut Draws::new(4, i))).collect();
        let mut products = 0;
        for line in text.iter().flat_map(|text| text.lines()) {
            let words: Vec<&str> = line.split(' ').collect();
            if let [a, "*", b, "=", product] = words[..] {
                let [a, b, product] = [a, b, product].map(|n| n.parse::<u64>().unwrap());
                assert_eq!(a * b, product, "{line}");
                products += 1;
            }
        }
        assert!(products > 10);
        assert_eq!((common_divisor(84, 36), signed(3, 5)), (12, -2));
    }
}
