/**
 * Winograd's minimal filtering, Lavin and Gray 2015, section 4.1: a tile of m × m outputs of a 3 × 3 convolution is
 * Aᵀ·[(G·g·Gᵀ) ⊙ (Bᵀ·d·B)]·A of the (m + 2) × (m + 2) input pixels d. Summed over channels, ⊙ is a matrix product for
 * each of the (m + 2)² positions: 16 products for 4 outputs (F(2, 3), 2.25 times fewer than 36), or 36 for 16 (F(4, 3),
 * 4 times fewer than 144). The matrices are exact but for the thirds in G.
 */
export interface WinogradPoints {
  readonly name: "winograd-f2" | "winograd-f4";
  /** Bᵀ */
  readonly input: Matrix;
  /** G */
  readonly kernel: Matrix;
  /** Aᵀ */
  readonly output: Matrix;
}

type Matrix = readonly (readonly number[])[];

/** The points 0, ±1, ∞. */
export const winogradF2: WinogradPoints = {
  name: "winograd-f2",
  input: [
    [1, 0, -1, 0],
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, 1, 0, -1],
  ],
  kernel: [
    [1, 0, 0],
    [1 / 2, 1 / 2, 1 / 2],
    [1 / 2, -1 / 2, 1 / 2],
    [0, 0, 1],
  ],
  output: [
    [1, 1, 1, 0],
    [0, 1, -1, -1],
  ],
};

/** The points 0, ±1, ±2, ∞. */
export const winogradF4: WinogradPoints = {
  name: "winograd-f4",
  input: [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
  ],
  kernel: [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
  ],
  output: [
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
  ],
};
