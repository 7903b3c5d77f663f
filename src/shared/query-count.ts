import { z } from 'zod';

const DIGITS = /^\d{1,9}$/;

/** How many of something, in the query of a request: digits, said once. */
export const queryCount = (fallback: number, max: number) =>
  z
    .string('must be given once')
    .regex(DIGITS, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(1, 'must be at least 1').max(max, `must be at most ${max}`))
    .default(fallback);
