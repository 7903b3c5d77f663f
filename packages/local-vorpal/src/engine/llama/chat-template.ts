import { type ChatHistoryItem, JinjaTemplateChatWrapper, type LlamaModel } from 'node-llama-cpp';
import { describeError } from '@archive-brain/common';
import { InvalidRequestError } from '../../errors.js';
import type { ChatTurn } from '../language-model.js';

/** The chat template that the model file carries. */
export class ChatTemplate {
  private readonly wrapper: JinjaTemplateChatWrapper | undefined;

  constructor(private readonly model: LlamaModel) {
    const template = model.fileInfo.metadata.tokenizer.chat_template;
    if (template === undefined) return;
    this.wrapper = new JinjaTemplateChatWrapper({
      template,
      tokenizer: model.tokenizer,
      // The turns reach the template as they came: it is the model's business what to make of them.
      joinAdjacentMessagesOfTheSameType: false,
      trimLeadingWhitespaceInResponses: false,
      reasoning: null,
    });
  }

  /** Token ids of the turns and the opening of the assistant's answer. */
  render(turns: readonly ChatTurn[]): number[] {
    if (this.wrapper === undefined) {
      throw new InvalidRequestError('The model has no chat template. Use /v1/completions.', 'messages');
    }
    const chatHistory: ChatHistoryItem[] = [...turns.map(toHistoryItem), { type: 'model', response: [] }];
    try {
      return this.wrapper.generateContextState({ chatHistory }).contextText.tokenize(this.model.tokenizer);
    } catch (error) {
      throw new InvalidRequestError(
        `The model's chat template refuses the messages: ${describeError(error)}`,
        'messages',
      );
    }
  }
}

function toHistoryItem({ role, text }: ChatTurn): ChatHistoryItem {
  if (role === 'assistant') return { type: 'model', response: [text] };
  return { type: role, text };
}
