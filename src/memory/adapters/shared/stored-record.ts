import type { z } from 'zod';

/**
 * The version of the records of memories and decisions, in both stores. Release 0.1.0 wrote no version, which reads as
 * 0. Version 2 added fields and removed none.
 */
export const RECORD_VERSION = 2;

export type DecodedRecord<T> =
  { readonly record: T; readonly problem?: undefined } | { readonly record?: undefined; readonly problem: string };

/**
 * @param value a record with its version in `v`
 * @param upgrade what a record before version 2 has besides, or has otherwise
 */
export function decodeRecord<T>(
  schema: z.ZodType<T>,
  value: unknown,
  upgrade: (old: Record<string, unknown>) => Record<string, unknown>,
): DecodedRecord<T> {
  const record = (value ?? {}) as Record<string, unknown>;
  const { v: version = 0 } = record;
  if (typeof version !== 'number' || version > RECORD_VERSION) {
    return { problem: `it has version ${JSON.stringify(version)}, and this program knows ${RECORD_VERSION}` };
  }
  const { data, error } = schema.safeParse(version < 2 ? { ...record, ...upgrade(record) } : value);
  // Names of fields, never their content.
  if (error) return { problem: error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') };
  return { record: data };
}

/** The value of `text`, or `undefined` if it is not valid JSON. */
export function parseJson(text: string | null): unknown {
  try {
    return text === null ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
