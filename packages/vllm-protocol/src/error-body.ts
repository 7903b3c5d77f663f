import { z } from 'zod';

const errorFields = z.looseObject({
  message: z.string(),
  type: z.string().nullish(),
  param: z.string().nullish(),
  code: z.union([z.number(), z.string()]).nullish(),
});

/** vLLM ≥ 0.10.1: nested. The local Vorpal answers in this form. */
export const nestedErrorBodySchema = z.looseObject({ error: errorFields });
/** vLLM ≤ 0.10.0: flat. */
export const flatErrorBodySchema = errorFields;
/** The answer to a wrong API key. */
export const plainErrorBodySchema = z.looseObject({ error: z.string() });

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: number };
}

export interface ErrorDetails {
  readonly message?: string;
  readonly type?: string;
  readonly param?: string;
}

/** Reads the message and type out of any of the shapes vLLM and its proxies answer with; `{}` for anything else. */
export function readErrorBody(body: unknown): ErrorDetails {
  const plain = plainErrorBodySchema.safeParse(body);
  if (plain.success) return { message: plain.data.error };
  const nested = nestedErrorBodySchema.safeParse(body);
  const fields = nested.success ? nested.data.error : flatErrorBodySchema.safeParse(body).data;
  if (fields === undefined) return {};
  return { message: fields.message, type: fields.type ?? undefined, param: fields.param ?? undefined };
}
