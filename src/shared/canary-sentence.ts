/** Any server that can score or embed at all can do so with this sentence. */
export const CANARY_SENTENCE = 'The sky is blue.';
