// The part of Socket.IO's protocol that this page needs. For acknowledgements, long polling and the
// rest take the official client, https://socket.io/docs/v4/client-api/
class SocketIO {
  constructor(path = "/socket.io/") {
    this.handlers = {};
    const url = new URL(path + "?EIO=4&transport=websocket", location.href.replace("http", "ws"));
    this.socket = new WebSocket(url);
    this.socket.onmessage = ({ data }) => this.receive(data);
    this.socket.onclose = () => this.handlers.disconnect?.();
  }
  on(event, handler) { this.handlers[event] = handler; }
  emit(...event) { this.socket.send("42" + JSON.stringify(event)); }
  receive(packet) {
    if (packet[0] === "0") this.socket.send("40"); // opened: connect to the default namespace
    else if (packet[0] === "2") this.socket.send("3"); // ping, pong
    else if (packet.startsWith("40")) this.handlers.connect?.();
    else if (packet.startsWith("42")) {
      const [event, ...values] = JSON.parse(packet.slice(2));
      this.handlers[event]?.(...values);
    }
  }
}
