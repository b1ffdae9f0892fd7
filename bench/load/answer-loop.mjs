/** Clients that say yes to every question as soon as they have it. */
export class AnswerLoop {
  answered = 0

  receive (client, chunk, start, length) {
    const { type, callback_id: callbackId } = JSON.parse(chunk.toString('utf8', start, start + length))
    if (type !== 'task_step_result') return
    this.answered++
    client.send(JSON.stringify({ type: 'confirm', callback_id: callbackId, proceed: true }))
  }
}
