import { z } from 'zod';

/** What a row of `docs/configuration.md` is made from. */
export interface DocumentedVariable {
  readonly name: string;
  readonly section: string | undefined;
  readonly description: string | undefined;
  readonly type: string;
  readonly defaultValue: string;
}

type PropertySchema = z.core.JSONSchema.BaseSchema;
type Value = string | number | boolean | readonly string[] | undefined;

const HEADER = ['Variable', 'Default', 'Value', 'Meaning'];

/** Every environment variable of the schemas, in their order; one that several have stands where it comes first. */
export function documentedVariables(schemas: readonly z.ZodObject[]): DocumentedVariable[] {
  const variables = schemas.flatMap(variablesOf);
  return [...new Map(variables.map((variable) => [variable.name, variable])).values()];
}

function variablesOf(schema: z.ZodObject): DocumentedVariable[] {
  const { properties = {} } = z.toJSONSchema(schema, { unrepresentable: 'any' });
  const defaults = schema.parse({}) as Record<string, Value>;
  return Object.entries(properties).map(([name, property]) => {
    const documented = property as PropertySchema;
    return {
      name,
      section: textOf(documented.section),
      description: documented.description,
      type: describeType(documented),
      defaultValue: textOf(documented.defaultText) ?? describeDefault(defaults[name]),
    };
  });
}

/** The whole of `docs/configuration.md`, formatted as the formatter would. */
export function renderConfigurationDocs(variables: readonly DocumentedVariable[]): string {
  const sections = Map.groupBy(variables, ({ section }) => section ?? 'Other');
  return [
    '# Configuration',
    'Generated from the `*.settings.ts` of each folder in `src` and from `packages/local-vorpal/src/settings.ts` ' +
      'by `npm run docs:configuration`; change it there.',
    'Both programs read these environment variables at the start and nothing else. An empty value counts as not set. ' +
      'A wrong value stops the start, with one list of all that is wrong.',
    ...[...sections].flatMap(([section, rows]) => [`## ${section}`, renderTable(rows)]),
  ]
    .join('\n\n')
    .concat('\n');
}

function renderTable(variables: readonly DocumentedVariable[]): string {
  const rows = variables.map(({ name, defaultValue, type, description }) =>
    [`\`${name}\``, defaultValue, type, description ?? ''].map((cell) => cell.replaceAll('|', '\\|')),
  );
  const widths = HEADER.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(HEADER), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function describeType(schema: PropertySchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ');
  switch (schema.type) {
    case 'boolean':
      return '`true`, `false`';
    case 'integer':
      return `whole number, ${formatNumber(schema.minimum)} to ${formatNumber(schema.maximum)}`;
    case 'number':
      return `number, ${formatNumber(schema.minimum)} to ${formatNumber(schema.maximum)}`;
    case 'array':
      return `one or more of ${describeType(schema.items as PropertySchema)}, with commas between`;
    default:
      return schema.format === 'uri' ? 'address' : 'text';
  }
}

function describeDefault(value: Value): string {
  if (value === undefined) return 'not set';
  return code(Array.isArray(value) ? value.join(',') : String(value));
}

const code = (text: string): string => `\`${text}\``;
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const formatNumber = (value: number | undefined): string => (value ?? Number.NaN).toLocaleString('en-US');
