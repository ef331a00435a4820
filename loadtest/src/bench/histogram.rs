//! Latencies in bounded memory: buckets of which each is some 3 % wide.

/// Counts of durations, in microseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

const STEPS: u64 = 32;
const BUCKETS: usize = 64 * 32;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, micros: u64) {
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Counts all of another.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration that `per_mille` of a thousand do not exceed, to the upper edge of its bucket.
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let wanted = (self.total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_edge(index);
            }
        }
        0
    }
}

/// Powers of two, each cut into [`STEPS`] equal steps; below [`STEPS`], one bucket per microsecond.
fn bucket(micros: u64) -> usize {
    let index = if micros < STEPS {
        micros
    } else {
        let power = u64::from(micros.ilog2());
        (power - 4) * STEPS + ((micros >> (power - 5)) - STEPS)
    };
    usize::try_from(index).unwrap_or(BUCKETS - 1).min(BUCKETS - 1)
}

fn upper_edge(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let (power, step) = (index / STEPS + 4, index % STEPS);
    ((STEPS + step + 1) << (power - 5)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_at_most_its_buckets_edge_and_near_it() {
        for micros in (0..5_000).chain([10_000, 99_999, 1_000_000, 123_456_789]) {
            let edge = upper_edge(bucket(micros));
            assert!(edge >= micros && edge <= micros + micros / 30 + 1, "{micros} {edge}");
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|micros| histogram.add(micros));
        assert!((500..520).contains(&histogram.quantile(500)));
        assert!((990..1025).contains(&histogram.quantile(990)));
        assert_eq!(Histogram::default().quantile(500), 0);
    }
}
