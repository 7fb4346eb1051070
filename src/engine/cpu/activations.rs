//! Vectors of several tokens. Knows no weights.

/// One vector per token, \[tokens\]\[width\].
#[derive(Debug, Clone)]
pub(super) struct Activations {
    width: usize,
    values: Vec<f32>,
}

impl Activations {
    /// Zeros.
    pub fn zeros(tokens: usize, width: usize) -> Self {
        Activations {
            width: width.max(1),
            values: vec![0.0; tokens * width],
        }
    }

    /// Elements of one vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of vectors.
    pub fn tokens(&self) -> usize {
        self.values.len() / self.width
    }

    /// All elements.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All elements.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// All elements.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The vectors in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width)
    }

    /// The vectors in order.
    pub fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        self.values.chunks_exact_mut(self.width)
    }

    /// The vector of one token; empty if there is no such token.
    pub fn row(&self, token: usize) -> &[f32] {
        self.values
            .get(token * self.width..(token + 1) * self.width)
            .unwrap_or_default()
    }

    /// The vector of one token; empty if there is no such token.
    pub fn row_mut(&mut self, token: usize) -> &mut [f32] {
        self.values
            .get_mut(token * self.width..(token + 1) * self.width)
            .unwrap_or_default()
    }

    /// Appends the vectors of `other`, which have as many elements.
    pub fn extend(&mut self, other: &Activations) {
        self.values.extend_from_slice(&other.values);
    }

    /// The last vector alone.
    pub fn last(&self) -> Self {
        self.select(&[self.tokens().saturating_sub(1)])
    }

    /// The vectors of some tokens.
    pub fn select(&self, tokens: &[usize]) -> Self {
        Activations {
            width: self.width,
            values: tokens
                .iter()
                .flat_map(|token| self.row(*token))
                .copied()
                .collect(),
        }
    }

    /// Of every vector the elements `columns` of each group of `group`.
    pub fn columns(&self, group: usize, columns: std::ops::Range<usize>) -> Self {
        let groups = self.values.chunks_exact(group);
        Activations {
            width: self.width / group * columns.len(),
            values: groups
                .flat_map(|group| &group[columns.clone()])
                .copied()
                .collect(),
        }
    }

    /// Element j of vector i becomes element i of vector j.
    pub fn transposed(&self) -> Self {
        let mut turned = Activations::zeros(self.width, self.tokens());
        for (column, row) in turned.rows_mut().enumerate() {
            let column = self.values.iter().skip(column).step_by(self.width);
            for (to, from) in row.iter_mut().zip(column) {
                *to = *from;
            }
        }
        turned
    }

    /// Changes every element by the one in its place in `other`.
    pub fn combine(&mut self, other: &Activations, change: impl Fn(&mut f32, f32)) {
        for (value, other) in self.values.iter_mut().zip(&other.values) {
            change(value, *other);
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Activations) {
        self.combine(other, |value, other| *value += other);
    }
}
