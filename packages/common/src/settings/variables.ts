import { z } from 'zod';

export interface Documented {
  /** The heading that the variable stands under in `docs/configuration.md`. */
  readonly section: string;
  readonly description: string;
  /** Shown instead of a default that depends on the machine. */
  readonly defaultText?: string;
}

/** An environment variable with what `docs/configuration.md` says of it. */
export const documented = <T extends z.ZodType>(schema: T, meta: Documented): T => schema.meta({ ...meta });

export const optionalFlag = () =>
  z.stringbool({ truthy: ['true', '1', 'yes', 'on'], falsy: ['false', '0', 'no', 'off'] }).optional();
export const flag = (fallback: boolean) => optionalFlag().default(fallback);
export const integer = (fallback: number, min: number, max: number) =>
  z.coerce.number<string>('must be a whole number').int('must be a whole number').min(min).max(max).default(fallback);
export const optionalInteger = (min: number, max: number) =>
  z.coerce.number<string>('must be a whole number').int('must be a whole number').min(min).max(max).optional();
export const number = (fallback: number, min: number, max: number) =>
  z.coerce.number<string>('must be a number').min(min).max(max).default(fallback);
export const port = (fallback: number) => integer(fallback, 0, 65_535);
export const milliseconds = (fallback: number, min = 1) => integer(fallback, min, 86_400_000);
export const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' });
export const text = z.string().min(1);

/** Values separated by commas, each of which is an `item`; empty ones are passed over. */
export const list = <T extends z.ZodType<string, string>>(item: T) =>
  z
    .string()
    .default('')
    .transform((value) =>
      value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(item));
