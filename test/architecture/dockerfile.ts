import { DockerfileParser } from 'dockerfile-ast';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { promisify } from 'node:util';

export interface Step {
  readonly keyword: string;
  readonly flags: Readonly<Record<string, string>>;
  /** What follows the flags, on one line. */
  readonly rest: string;
}

export interface Stage {
  readonly name: string;
  /** The image, or the earlier stage, that this one starts from. */
  readonly base: string;
  readonly steps: readonly Step[];
}

/** Stages of a Dockerfile in their order, with the variables of the FROM lines filled in. */
export function parseStages(text: string): Stage[] {
  const dockerfile = DockerfileParser.parse(text);
  const variables = new Map(
    dockerfile.getInitialARGs().map((arg) => [arg.getProperty()?.getName(), arg.getProperty()?.getValue()]),
  );
  const stages: (Stage & { steps: Step[] })[] = [];
  for (const instruction of dockerfile.getInstructions()) {
    const keyword = instruction.getKeyword();
    const rest = (instruction.getArgumentsContent() ?? '').replaceAll(/\s+/g, ' ');
    if (keyword === 'FROM') {
      const [, image = '', name = ''] = /^(\S+) AS (\S+)$/i.exec(rest) ?? [];
      const base = image.replace(/^\$\{(\w+)\}$/, (_, variable: string) => variables.get(variable) ?? '');
      stages.push({ name, base, steps: [] });
    } else {
      const flags = Object.fromEntries(flagsOf(instruction).map((flag) => [flag.getName(), flag.getValue() ?? '']));
      stages.at(-1)?.steps.push({ keyword, flags, rest });
    }
  }
  return stages;
}

interface Flag {
  getName(): string;
  getValue(): string | null;
}

const flagsOf = (instruction: object): Flag[] =>
  'getFlags' in instruction ? (instruction.getFlags as () => Flag[]).call(instruction) : [];

/** The steps of a stage, those of the stages below it first: what the image is made of. */
export function inheritedSteps(stages: readonly Stage[], name: string): Step[] {
  const stage = stageNamed(stages, name);
  const below = stages.some((other) => other.name === stage.base) ? inheritedSteps(stages, stage.base) : [];
  return [...below, ...stage.steps];
}

export function stageNamed(stages: readonly Stage[], name: string): Stage {
  const stage = stages.find((candidate) => candidate.name === name);
  if (stage === undefined) throw new Error(`The Dockerfile has no stage "${name}"`);
  return stage;
}

/** What `docker inspect` would show of an image. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly exposedPorts: readonly number[];
  readonly healthcheck: readonly string[];
  readonly user: string;
  readonly workdir: string;
}

export function imageConfig(stages: readonly Stage[], name: string): ImageConfig {
  const steps = inheritedSteps(stages, name);
  const last = (keyword: string): string => steps.findLast((step) => step.keyword === keyword)?.rest ?? '';
  return {
    entrypoint: execForm(last('ENTRYPOINT')),
    environment: Object.fromEntries(
      steps.filter(({ keyword }) => keyword === 'ENV').flatMap(({ rest }) => pairsOf(rest)),
    ),
    exposedPorts: steps.filter(({ keyword }) => keyword === 'EXPOSE').map(({ rest }) => Number(rest)),
    healthcheck: execForm(last('HEALTHCHECK').replace(/^CMD /, '')),
    user: last('USER') || 'root',
    workdir: last('WORKDIR') || '/',
  };
}

// In the shell form, a shell would be the first process, and a stop signal would end at it.
function execForm(rest: string): string[] {
  if (!rest.startsWith('[')) throw new Error(`Not in the exec form: ${rest}`);
  return JSON.parse(rest) as string[];
}

const pairsOf = (rest: string): [string, string][] =>
  rest.split(' ').map((pair) => {
    const [name = '', ...value] = pair.split('=');
    return [name, value.join('=')];
  });

/** The files of `root` that a build would send: those git knows or would add, less what .dockerignore leaves out. */
export async function buildContext(root: string): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  const ignored = dockerignore(await readFile(join(root, '.dockerignore'), 'utf8'));
  return stdout.split('\0').filter((path) => path !== '' && !ignored(path) && existsSync(join(root, path)));
}

/** Docker's rules: the last pattern that matches the path, or a folder above it, decides. */
export function dockerignore(text: string): (path: string) => boolean {
  const patterns = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ exclude: !line.startsWith('!'), expression: globExpression(line.replace(/^!/, '')) }));
  return (path) => patterns.findLast(({ expression }) => expression.test(path))?.exclude ?? false;
}

function globExpression(glob: string): RegExp {
  const source = glob
    .replaceAll(/[.+^$()|[\]{}\\]/g, '\\$&')
    .replaceAll(/\*\*\/|\*\*|\*|\?/g, (wildcard) => WILDCARDS[wildcard] ?? '');
  return new RegExp(`^${source}(?:/|$)`);
}

const WILDCARDS: Readonly<Record<string, string>> = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' };

const run = promisify(execFile);

export interface BuildOptions {
  readonly stages: readonly Stage[];
  /** Folder that holds the Dockerfile. */
  readonly root: string;
  /** Empty folder; each stage becomes a folder in it, which stands for the root of the stage's file system. */
  readonly target: string;
  readonly environment: NodeJS.ProcessEnv;
  /** RUN steps that only make sense as root of an image, with the reason why leaving them out proves no less. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/** Does in plain folders what `docker build` does in layers. */
export class FolderBuild {
  private readonly built = new Map<string, string>();

  constructor(private readonly options: BuildOptions) {}

  /** Builds the stage and those that it needs. @returns the folder that stands for the root of its file system */
  async build(name: string): Promise<string> {
    const known = this.built.get(name);
    if (known !== undefined) return known;
    const stage = stageNamed(this.options.stages, name);
    const folder = await this.startFrom(stage);
    const below = inheritedSteps(this.options.stages, name).slice(0, -stage.steps.length);
    let workdir = below.findLast(({ keyword }) => keyword === 'WORKDIR')?.rest ?? '/';
    const environment: NodeJS.ProcessEnv = { ...this.options.environment };
    for (const step of stage.steps) {
      if (step.keyword === 'WORKDIR') workdir = step.rest;
      if (step.keyword === 'ENV') Object.assign(environment, Object.fromEntries(pairsOf(step.rest)));
      const cwd = join(folder, workdir);
      await mkdir(cwd, { recursive: true });
      if (step.keyword === 'COPY') await this.copy(step, folder, workdir);
      if (step.keyword === 'RUN' && !this.options.leftOut.has(step.rest)) {
        await run('/bin/sh', ['-c', step.rest], { cwd, env: environment, maxBuffer: 64 * 1024 * 1024 });
      }
    }
    this.built.set(name, folder);
    return folder;
  }

  private async startFrom({ name, base, steps }: Stage): Promise<string> {
    const folder = join(this.options.target, name);
    if (!this.options.stages.some((stage) => stage.name === base)) return folder;
    const below = await this.build(base);
    if (!steps.some(({ keyword }) => keyword === 'COPY' || keyword === 'RUN')) return below;
    await run('cp', ['-a', below, folder]);
    return folder;
  }

  private async copy({ flags, rest }: Step, folder: string, workdir: string): Promise<void> {
    const paths = rest.split(' ');
    const destination = posix.resolve(workdir, paths.at(-1) ?? '') + (paths.at(-1)?.endsWith('/') ? '/' : '');
    for (const source of paths.slice(0, -1)) {
      const copied =
        flags.from === undefined
          ? await this.copyFromContext(source, join(folder, destination))
          : await this.copyFromStage(flags.from, source, join(folder, destination));
      if (!copied) throw new Error(`COPY: "${source}" is not in ${flags.from ?? 'the build context'}`);
    }
  }

  private async copyFromContext(source: string, destination: string): Promise<boolean> {
    const files = (await buildContext(this.options.root)).filter(
      (path) => path === source || path.startsWith(`${source}/`),
    );
    for (const file of files) {
      const isFile = file === source;
      const target = isFile && destination.endsWith('/') ? join(destination, basename(file)) : destination;
      const path = isFile ? target : join(destination, file.slice(source.length));
      await mkdir(dirname(path), { recursive: true });
      await cp(join(this.options.root, file), path);
    }
    return files.length > 0;
  }

  private async copyFromStage(stage: string, source: string, destination: string): Promise<boolean> {
    const folder = await this.build(stage);
    await mkdir(dirname(destination), { recursive: true });
    // Hard links: the packages are hundreds of megabytes, and nothing writes to them after this.
    await run('cp', ['-al', join(folder, source), destination.replace(/\/$/, '')]);
    return true;
  }
}
