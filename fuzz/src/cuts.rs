//! Pieces of a body.

/// Cuts a body into pieces whose lengths follow from `seed`: the same for the same seed. 0: one piece.
pub(crate) fn cut(body: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = body;
    let mut state = u32::from(seed);
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = match seed {
            0 => rest.len(),
            b'1' => 1,
            _ => 1 + (state >> 24) as usize % (1 + usize::from(seed) % 32),
        };
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
