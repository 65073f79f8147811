// What a person does on a page: reads, clicks what is named, types, holds things before the camera.

const PATIENCE_MS = 180_000;
const NAMED = "button, a, summary, label, input[type=checkbox], [role=option], [role=button]";

export class Person {
  constructor(page) {
    this.page = page;
    this.acts = 0; // clicks, keys and texts
    this.complaints = []; // errors of the page's scripts
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.complaints.push(`error: ${error.message}`));
    page.on("console", (line) => {
      const isRefusal = /status of (409|422)/.test(line.text()); // "not yet" or "no", which the page shows
      if (line.type() === "error" && !isRefusal) this.complaints.push(`console: ${line.text()} ${line.location()?.url ?? ""}`);
    });
  }

  // Waits until a text, or what a pattern fits, can be read; gives the first fit.
  async read(pattern) {
    const [source, flags] = pattern instanceof RegExp ? [pattern.source, pattern.flags] : [pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), ""];
    const find = (source, flags) => new RegExp(source, flags).exec(document.body.innerText)?.[0];
    try {
      return await (await this.page.waitForFunction(find, { polling: 100 }, source, flags)).jsonValue();
    } catch (error) {
      throw new Error(`“${pattern}” was not to be read: ${error.message}`);
    }
  }

  // Waits until something can be clicked that is named so, and clicks it.
  async click(name, within = "body") {
    const find = (name, within, named) => [...document.querySelectorAll(within)].flatMap((part) => [...part.querySelectorAll(named)]).find((one) => {
      const text = (one.getAttribute("aria-label") ?? one.innerText ?? "").replace(/\s+/g, " ").trim();
      return text.startsWith(name) && !one.disabled && one.checkVisibility();
    });
    this.acts += 1;
    for (let left = 3; ; left -= 1) {
      try {
        const handle = await this.page.waitForFunction(find, { polling: 100 }, name, within, NAMED);
        return await handle.asElement().click();
      } catch (error) {
        // The screen was drawn anew between looking and clicking: a person would look again.
        if (!left || !error.message.includes("detached")) throw new Error(`“${name}” was not to be clicked: ${error.message}`);
      }
    }
  }

  async clickAt(selector) {
    const found = await this.page.waitForSelector(selector, { visible: true });
    this.acts += 1;
    await found.click();
  }

  async type(selector, text) {
    const field = await this.page.waitForSelector(selector, { visible: true });
    await field.evaluate((one) => { one.value = ""; });
    this.acts += 1;
    await field.type(text);
  }

  async press(key) {
    this.acts += 1;
    await this.page.keyboard.press(key);
  }

  async hold(key, ms) {
    this.acts += 1;
    await this.page.keyboard.down(key);
    await new Promise((resolve) => setTimeout(resolve, ms));
    await this.page.keyboard.up(key);
  }

  async choose(selector, find) {
    await this.page.waitForSelector(selector, { visible: true });
    const value = await (await this.page.waitForFunction((selector, find) => [...document.querySelector(selector).options].find((one) => one.text.includes(find))?.value, { polling: 100 }, selector, find)).jsonValue();
    this.acts += 1;
    await this.page.select(selector, value);
  }

  // Which screen it goes to, by the bar at the top.
  async goTo(name, id) {
    await this.click(name, "#top nav");
    await this.page.waitForSelector(`.screen.${id} h1`);
  }

  // --- Before the camera ---

  // The browser's fake camera shows one thing only: what is held before it is painted over that.
  async heldBeforeTheCamera() {
    await this.page.evaluateOnNewDocument(() => {
      globalThis.held = { shape: "circle", scene: 0 };
      // A shape before the things of a room; every scene is another room.
      const paint = ({ shape, scene }, brush, width, height) => {
        let state = scene * 7919 + 17;
        const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
        for (let at = 0; at < 5; at++) random();
        brush.fillStyle = `hsl(${random() * 360} 40% ${30 + random() * 60}%)`;
        brush.fillRect(0, height * 0.08, width, height * 0.92);
        for (let at = 0; at < 14; at++) {
          brush.fillStyle = `hsl(${random() * 360} 50% ${20 + random() * 70}%)`;
          brush.fillRect(random() * width, height * (0.1 + random() * 0.8), width * random() * 0.4, height * random() * 0.4);
        }
        const [x, y, size] = [width * (0.3 + random() * 0.4), height * (0.4 + random() * 0.3), height * (0.2 + random() * 0.15)];
        brush.fillStyle = `hsl(${random() * 360} 90% 45%)`;
        brush.beginPath();
        if (shape === "circle") brush.arc(x, y, size, 0, 7);
        else for (let at = -3; at < 4; at++) brush.rect(x + at * size / 3, y - size, size / 6, size * 2);
        brush.fill();
      };
      const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
      if (!ask) return; // the empty page before the studio has no camera
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        const camera = await ask(wanted);
        const video = document.createElement("video");
        Object.assign(video, { muted: true, srcObject: camera });
        await video.play();
        const canvas = Object.assign(document.createElement("canvas"), { width: 480, height: 360 });
        const brush = canvas.getContext("2d");
        const draw = () => {
          brush.drawImage(video, 0, 0, 480, 360);
          paint(globalThis.held, brush, 480, 360);
        };
        draw();
        setInterval(draw, 40);
        return canvas.captureStream(25);
      };
    });
  }

  async show(held) {
    await this.page.evaluate((held) => { globalThis.held = held; }, held);
    await new Promise((resolve) => setTimeout(resolve, 200)); // until the camera sees it
  }
}
