import type { z } from 'zod';

/** The form in which both stores keep memories and decisions. Release 0.1.0 wrote none, which reads as 0. */
export const RECORD_VERSION = 1;

export type DecodedRecord<T> =
  { readonly record: T; readonly problem?: undefined } | { readonly record?: undefined; readonly problem: string };

/** @param value a record with its version in `v` */
export function decodeRecord<T>(schema: z.ZodType<T>, value: unknown): DecodedRecord<T> {
  const { v: version = 0 } = (value ?? {}) as { readonly v?: unknown };
  if (typeof version !== 'number' || version > RECORD_VERSION) {
    return { problem: `it has version ${JSON.stringify(version)}, and this program knows ${RECORD_VERSION}` };
  }
  const { data, error } = schema.safeParse(value);
  // Names of fields, never their content.
  if (error) return { problem: error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') };
  return { record: data };
}

/** What `text` says, or `undefined`, which no JSON says. */
export function parseJson(text: string | null): unknown {
  try {
    return text === null ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
