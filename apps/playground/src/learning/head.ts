/**
 * How a last layer is trained. Its features are computed once, so that a step costs little but a GPU's round trip: few
 * steps, at a high rate.
 */
export const HEAD = { epochs: 40, batch: 64, learningRate: 0.03 } as const;
