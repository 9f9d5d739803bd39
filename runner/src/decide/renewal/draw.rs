//! Chance that is data.

use crate::model::Digest;

/// A number in 0..1, uniform over all `about`, and always the same for the same.
#[expect(
    clippy::cast_precision_loss,
    reason = "53 bits are what a float can hold, and what is taken"
)]
pub(crate) fn draw(about: &[&str]) -> f64 {
    (Digest::of(about).bits() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each tenth of the way gets about a tenth of what is drawn.
    #[test]
    fn what_is_drawn_is_spread_evenly() {
        let mut tenths = [0; 10];
        for nth in 0..10_000 {
            let drawn = draw(&["spread", &nth.to_string()]);
            assert!((0.0..1.0).contains(&drawn));
            tenths[(drawn * 10.0) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|count| (900..1100).contains(count)),
            "{tenths:?}"
        );
    }
}
