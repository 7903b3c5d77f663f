import { z } from 'zod';

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;

/** An object with the names of its fields in camel case. */
export type CamelCased<T> = { [Name in keyof T as Name extends string ? Camel<Name> : Name]: T[Name] };

const toCamel = (name: string): string => name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/**
 * A codec between records of a schema with snake-case names and objects with the same fields in camel case. Only the
 * names of the fields change, not those inside their values. Fields that the schema does not name are left out.
 */
export function camelCaseCodec<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>) {
  type Stored = z.output<typeof schema>;
  type Fields = CamelCased<z.output<typeof schema>>;
  const names = Object.keys(schema.shape).map((snake) => [snake, toCamel(snake)] as const);
  return z.codec(schema, z.custom<Fields>(), {
    decode: (stored) =>
      Object.fromEntries(names.map(([snake, camel]) => [camel, (stored as Record<string, unknown>)[snake]])) as Fields,
    encode: (fields) =>
      Object.fromEntries(names.map(([snake, camel]) => [snake, (fields as Record<string, unknown>)[camel]])) as Stored,
  });
}

/** An object with the names of its fields in snake case, whatever they hold. */
export const snakeCased = (value: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      field,
    ]),
  );
