//! Whether two classes of measurements differ, as dudect asks it (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", DATE 2017):
//! Welch's t-test, over all measurements and over those below each of a hundred percentiles, as what else a machine does lengthens the longest.

/// Nanoseconds, and the class.
pub type Sample = (u32, bool);

/// What the test gives.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The greatest by its absolute value of all crops: above 5 the classes differ beyond doubt, below it nothing is shown by so many samples.
    pub t: f64,
    /// By how much the mean of the second class is above the first's, in nanoseconds, without the longest tenth of all.
    pub nanoseconds: f64,
    /// The mean of the first class, likewise.
    pub mean: f64,
}

const CROPS: i32 = 100;

/// The crop of about nine tenths.
const TENTH_LEFT_OUT: usize = 32;

#[derive(Clone, Copy, Default)]
struct Class {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Class {
    fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// The variance of the mean.
    fn variance(&self) -> f64 {
        (self.squares / self.count - self.mean().powi(2)).max(0.0) / (self.count - 1.0)
    }
}

/// Compares the classes.
pub fn compare(samples: &[Sample]) -> Difference {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by_key(|&(took, _)| took);
    // Deviations from about the middle: squares of large numbers would swallow small differences.
    let middle = f64::from(sorted[sorted.len() / 2].0);
    let end = |part: f64| sorted[(part * (sorted.len() - 1) as f64) as usize].0;
    // They get denser to the top, as dudect has them.
    let ends = (1..=CROPS).map(|number| end(1.0 - 0.5f64.powf(f64::from(10 * number) / f64::from(CROPS))));

    let (mut classes, mut at) = ([Class::default(); 2], 0);
    let mut most = Difference { t: 0.0, nanoseconds: 0.0, mean: middle };
    for (number, end) in ends.chain([u32::MAX]).enumerate() {
        while let Some(&(took, class)) = sorted.get(at).filter(|(took, _)| *took < end) {
            let (class, deviation) = (&mut classes[usize::from(class)], f64::from(took) - middle);
            class.count += 1.0;
            class.sum += deviation;
            class.squares += deviation * deviation;
            at += 1;
        }
        let [first, second] = classes;
        if first.count.min(second.count) < 100.0 {
            continue;
        }
        let nanoseconds = second.mean() - first.mean();
        let t = nanoseconds / (first.variance() + second.variance()).sqrt();
        if t.is_finite() && t.abs() > most.t.abs() {
            most.t = t;
        }
        if number == TENTH_LEFT_OUT {
            (most.nanoseconds, most.mean) = (nanoseconds, middle + first.mean());
        }
    }
    most
}

/// Whether the differences of several stores differ from none (Student's t): what one has by how it came to lie, another has the other way around.
/// Nothing can be said of less than two.
pub fn t_among(differences: impl Iterator<Item = f64>) -> f64 {
    let mut all = Class::default();
    for difference in differences {
        all.count += 1.0;
        all.sum += difference;
        all.squares += difference * difference;
    }
    if all.count < 2.0 { 0.0 } else { all.mean() / all.variance().sqrt() }
}
