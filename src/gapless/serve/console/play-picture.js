// A canvas as sharp as the screen, in the colours of the style sheet. What is drawn on it is its owner's.

export class Picture {
  width = 0;
  height = 0;
  colours = {};
  /** @type {CanvasRenderingContext2D} in CSS pixels */
  pen;
  #canvas;
  #paint;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Record<string, string>} colours names of custom properties by what they are for
   * @param {() => void} paint called where all has to be drawn again
   */
  constructor(canvas, colours, paint) {
    this.#canvas = canvas;
    this.#paint = paint;
    this.pen = canvas.getContext("2d");
    new ResizeObserver(() => this.#resize()).observe(canvas);
    // The number of pixels changes without the size when the window moves to another screen.
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => this.#resize());
    document.addEventListener("themechange", () => this.#readColours(colours));
    this.#readColours(colours);
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.width = clientWidth;
    this.height = clientHeight;
    this.#canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.#canvas.height = Math.round(clientHeight * devicePixelRatio);
    this.pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    this.#paint();
  }

  #readColours(colours) {
    // Resolved by the browser: a canvas does not know custom properties.
    const probe = document.createElement("span");
    this.#canvas.after(probe);
    for (const [use, name] of Object.entries(colours)) {
      probe.style.color = `var(${name})`;
      this.colours[use] = getComputedStyle(probe).color;
    }
    this.colours.font = `11px ${getComputedStyle(this.#canvas).fontFamily}`;
    probe.remove();
    this.#paint();
  }
}
