export { chatSettings } from './chat.settings.js';
export { ChatModule } from './chat.module.js';
