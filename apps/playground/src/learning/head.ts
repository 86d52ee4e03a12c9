/** How a last layer is trained: it has few weights, and its features are computed once, so that a pass costs little. */
export const HEAD = { epochs: 40, batch: 16, learningRate: 0.01 } as const;
