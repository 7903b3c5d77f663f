import { cruise, type ICruiseResult, type IReporterOutput } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

const ROOTS = ['src', 'packages', 'bench', 'test'];

/** Follows the imports of the folders of `baseDir` and holds them against the rules of `.dependency-cruiser.mjs`. */
async function inspect(baseDir: string): Promise<ICruiseResult> {
  const options = await extractDepcruiseOptions(join(root, '.dependency-cruiser.mjs'));
  const { output }: IReporterOutput = await cruise(
    ROOTS.filter((folder) => existsSync(join(baseDir, folder))),
    { ...options, baseDir },
    undefined,
    {
      tsConfig: extractTsConfig(join(root, 'tsconfig.json')) as unknown,
    },
  );
  if (typeof output === 'string') throw new Error(`dependency-cruiser answered with a text: ${output}`);
  return output;
}

const violations = ({ summary }: ICruiseResult): string[] =>
  summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`).sort();

describe('The law of the house', () => {
  it('is kept by every module of src, packages, bench and test', async () => {
    const result = await inspect(root);

    expect(violations(result)).toEqual([]);
    // Were the sources not found, there would be nothing to violate.
    for (const folder of [
      'src',
      'packages/common',
      'packages/vllm-protocol',
      'packages/local-vorpal',
      'bench',
      'test',
    ]) {
      const found = result.modules.filter(({ source }) => source.startsWith(`${folder}/`));
      expect([folder, found.length > 8]).toEqual([folder, true]);
    }
    expect(result.summary.totalDependenciesCruised).toBeGreaterThan(150);
  });

  it('leaves the reading of the environment to the entry files of the programs', async () => {
    const { modules } = await inspect(root);
    const sources = modules
      .map(({ source }) => source)
      .filter((source) => /^(?:src|packages)\/.*(?<!\.spec)\.ts$/.test(source));
    const readers: string[] = [];
    for (const source of sources) {
      if ((await readFile(join(root, source), 'utf8')).includes('process.env')) readers.push(source);
    }

    expect(readers).toContain('src/main.ts');
    expect(readers.filter((source) => !isProgram(source))).toEqual([]);
  });

  it('notices each way of breaking it', async () => {
    const house = await build({
      'src/stream/index.ts': `export * from './input-stream.port.js';`,
      'src/stream/input-stream.port.ts': `export abstract class InputStream {}`,
      'src/stream/adapters/sqlite-input-stream.ts': `export const x = 1;`,
      'src/stream/stream.module.ts': `import './adapters/sqlite-input-stream.js';`,
      'src/memory-worker/index.ts': `export const worker = 1;`,
      'src/chat/index.ts': `export * from './chat.service.js';`,
      'src/chat/chat.service.ts': `
        import { worker } from '../memory-worker/index.js';
        import type { InputStream } from '../stream/input-stream.port.js';
        import { x } from '../stream/adapters/sqlite-input-stream.js';
        export const chat = [worker, x] as InputStream[];`,
      'src/stream/capture.service.ts': `
        import { Redis } from 'ioredis';
        import { DatabaseSync } from 'node:sqlite';
        import { x } from './adapters/sqlite-input-stream.js';
        export const capture = [Redis, DatabaseSync, x];`,
      'src/shared/index.ts': `import { chat } from '../chat/index.js'; export const up = chat;`,
      'packages/local-vorpal/src/main.ts': `
        import '../../../src/infra/redis/index.js';
        import '../../common/src/errors.js';
        import '../../../bench/bench.js';
        export const engine = 1;`,
      'packages/common/src/errors.ts': `export class Failure extends Error {}`,
      'packages/common/src/index.ts': `export * from './errors.js'; export * from '../../vllm-protocol/src/index.js';`,
      'packages/vllm-protocol/src/index.ts': `export const schema = 1;`,
      'bench/bench.ts': `import '../src/chat/chat.service.js'; export {};`,
      'src/infra/redis/index.ts': `import { Redis } from 'ioredis'; export const connection = Redis;`,
      'src/vorpal/index.ts': `import { engine } from '../../packages/local-vorpal/src/main.js'; export const client = engine;`,
      'src/sessions/index.ts': `import '../../packages/common/src/index.js'; export const session = 1;`,
      'src/health/index.ts': `export { b } from './b.js'; export const a = 1;`,
      'src/health/b.ts': `import { a } from './index.js'; export const b = a;`,
      'src/attic/index.ts': `import '../shared/index.js';`,
      'src/config/index.ts': `import '../../test/support/fake.js'; import 'jest'; import './gone.js';`,
      'test/support/fake.ts': `export {};`,
    });

    const found = violations(await inspect(house));

    expect(found).toEqual(
      [
        'adapters-behind-their-port: src/chat/chat.service.ts → src/stream/adapters/sqlite-input-stream.ts',
        'adapters-behind-their-port: src/stream/capture.service.ts → src/stream/adapters/sqlite-input-stream.ts',
        'door-of-stream: src/chat/chat.service.ts → src/stream/adapters/sqlite-input-stream.ts',
        'door-of-stream: src/chat/chat.service.ts → src/stream/input-stream.port.ts',
        'floor-of-chat: src/chat/chat.service.ts → src/memory-worker/index.ts',
        'door-of-chat: bench/bench.ts → src/chat/chat.service.ts',
        'home-of-common: src/sessions/index.ts → packages/common/src/index.ts',
        'package-by-its-door: packages/local-vorpal/src/main.ts → packages/common/src/errors.ts',
        'package-by-its-door: src/vorpal/index.ts → packages/local-vorpal/src/main.ts',
        'package-common: packages/common/src/index.ts → packages/vllm-protocol/src/index.ts',
        'package-local-vorpal: packages/local-vorpal/src/main.ts → bench/bench.ts',
        'package-local-vorpal: packages/local-vorpal/src/main.ts → src/infra/redis/index.ts',
        'no-test-in-the-program: packages/local-vorpal/src/main.ts → bench/bench.ts',
        'floor-of-shared: src/shared/index.ts → src/chat/index.ts',
        'home-of-ioredis: src/stream/capture.service.ts → node_modules/ioredis/index.js',
        'home-of-node:sqlite: src/stream/capture.service.ts → node:sqlite',
        'no-circle: src/health/b.ts → src/health/index.ts',
        'no-development-package-in-the-program: src/config/index.ts → node_modules/jest/index.js',
        'no-import-into-nothing: src/config/index.ts → ./gone.js',
        'no-room-without-a-floor: src/attic/index.ts → src/shared/index.ts',
        'no-test-in-the-program: src/config/index.ts → test/support/fake.ts',
        'separate-programs: src/vorpal/index.ts → packages/local-vorpal/src/main.ts',
      ].sort(),
    );
  });

  it('is drawn in docs/architecture.md as it stands (if not: npm run docs:architecture)', async () => {
    const file = join(root, 'docs/architecture.md');
    const picture = draw(await inspect(root));
    const current = (await readFile(file, 'utf8')).replace(
      /(?<=<!-- picture -->\n)[\s\S]*(?=<!-- \/picture -->)/,
      `\n${picture}\n\n`,
    );
    expect(current).toContain(picture);
    if (process.env.UPDATE_DOCS === '1') await writeFile(file, current);

    expect(await readFile(file, 'utf8')).toBe(current);
  });
});

const isProgram = (source: string): boolean =>
  /^(?:src\/(?:main|commands\/[^/]+)|packages\/local-vorpal\/src\/(?:main|models\/fetch-models))\.ts$/.test(source);

const houses: string[] = [];

afterAll(async () => {
  for (const house of houses) await rm(house, { recursive: true });
});

async function build(files: Record<string, string>): Promise<string> {
  const house = await mkdtemp(join(tmpdir(), 'archive-brain-house-'));
  houses.push(house);
  const packages = ['ioredis', 'jest'].flatMap((name) => [
    [`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' })] as const,
    [`node_modules/${name}/index.js`, 'exports.Redis = class {};'] as const,
  ]);
  const manifest = JSON.stringify({ type: 'module', dependencies: { ioredis: '1' }, devDependencies: { jest: '1' } });
  for (const [path, content] of [...Object.entries(files), ...packages, ['package.json', manifest] as const]) {
    await mkdir(dirname(join(house, path)), { recursive: true });
    await writeFile(join(house, path), content);
  }
  return house;
}

/** Rooms and who needs whom, as Mermaid. An arrow that two others imply is left out. */
function draw({ modules }: ICruiseResult): string {
  const needs = new Map<string, Set<string>>();
  for (const { source, dependencies } of modules) {
    const from = roomOf(source);
    if (from === undefined || source.endsWith('.spec.ts')) continue;
    const known = needs.get(from) ?? new Set<string>();
    needs.set(from, known);
    for (const { resolved } of dependencies) {
      const to = roomOf(resolved);
      if (to !== undefined && to !== from) known.add(to);
    }
  }
  const rooms = [...needs.keys()].sort();
  const arrows = rooms.flatMap((from) =>
    [...(needs.get(from) ?? [])]
      .filter((to) => ![...(needs.get(from) ?? [])].some((via) => via !== to && reaches(needs, via, to)))
      .sort()
      .map((to) => `  ${nodeId(from)} --> ${nodeId(to)}`),
  );
  return ['```mermaid', 'flowchart TD', ...rooms.map((room) => `  ${nodeId(room)}["${room}"]`), ...arrows, '```'].join(
    '\n',
  );
}

function roomOf(path: string): string | undefined {
  const beside = /^(?:packages\/([^/]+)|(bench))\//.exec(path);
  if (beside) return beside[1] ?? beside[2];
  if (!path.startsWith('src/')) return undefined;
  return /^src\/(infra\/[^/]+|[^/]+)\//.exec(path)?.[1] ?? 'main';
}

function reaches(needs: ReadonlyMap<string, ReadonlySet<string>>, from: string, to: string): boolean {
  return [...(needs.get(from) ?? [])].some((next) => next === to || reaches(needs, next, to));
}

const nodeId = (room: string): string => room.replaceAll(/[^a-z]/g, '_');
