// The 3D overlay of a forecast and the reference. A renderer of our own: 3Dmol.js would add 540 kB with WebGL and
// network code to each page, for molecules that a flat canvas sorted by depth shows as well.
"use strict";
(() => {
  const UNKNOWN = -32768; // in place of a coordinate that is not finite
  const RADII = { 1: 0.22 }; // Å, drawn; all others 0.34
  const COLOURS = { 1: "--hydrogen", 6: "--carbon", 7: "--blue", 8: "--vermillion", 9: "--green", 16: "--orange", 17: "--green" };
  const SYMBOLS = { 1: "H", 6: "C", 7: "N", 8: "O", 9: "F", 16: "S", 17: "Cl" };
  const SPEED = 12; // frames per second

  // Base64 of int16, little-endian, thousandths of an Å -> frames x atoms x 3.
  const decode = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Int16Array(bytes.buffer);
  };

  // Rows of the rotation by angle a about the y axis of the screen, then by b about its x axis, after `turn`.
  const rotate = (turn, a, b) => {
    const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
    const step = [[ca, 0, sa], [sa * sb, cb, -ca * sb], [-sa * cb, sb, ca * cb]];
    return step.map((row) => [0, 1, 2].map((k) => row.reduce((sum, value, m) => sum + value * turn[m][k], 0)));
  };

  // Axes of largest and middle extent along the screen: molecules are seen from their flat side.
  const flat = (points) => {
    const moment = [0, 1, 2].map((i) => [0, 1, 2].map((j) => points.reduce((sum, p) => sum + p[i] * p[j], 0)));
    const power = (apart) => {
      let v = [0.6, 0.5, 0.62];
      for (let k = 0; k < 100; k += 1) {
        for (const other of apart) v = v.map((x, i) => x - other[i] * v.reduce((s, y, j) => s + y * other[j], 0));
        const next = moment.map((row) => row.reduce((s, x, j) => s + x * v[j], 1e-9));
        const length = Math.hypot(...next);
        v = next.map((x) => x / length);
      }
      return v;
    };
    const x = power([]);
    let y = power([x]);
    const along = y.reduce((s, value, k) => s + value * x[k], 0);
    y = y.map((value, k) => value - along * x[k]);
    const length = Math.hypot(...y);
    y = y.map((value) => value / length);
    return [x, y, [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]];
  };

  class Overlay {
    constructor(root) {
      this.root = root;
      this.data = JSON.parse(root.querySelector("script").textContent);
      this.canvas = root.querySelector("canvas");
      this.find = (name) => root.querySelector(`[data-role="${name}"]`);
      this.playing = false;
      for (const [k, compound] of this.data.compounds.entries()) this.find("compound").add(new Option(compound.name, k));
      this.find("compound").addEventListener("change", () => this.choose());
      this.find("forecaster").addEventListener("change", () => this.choose());
      this.find("time").addEventListener("input", () => this.draw());
      this.find("play").addEventListener("click", () => this.play(!this.playing));
      this.find("save").addEventListener("click", (event) => this.save(event.currentTarget));
      this.turning();
      this.find("time").max = this.data.times.length - 1;
      this.find("time").value = Math.floor(this.data.times.length / 4);
      this.choose();
      new ResizeObserver(() => this.draw()).observe(this.canvas);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
      root.hidden = false;
    }

    // Take the compound and the forecaster that are selected.
    choose() {
      const compound = this.data.compounds[this.find("compound").value];
      const picked = this.find("forecaster");
      const names = Object.keys(compound.forecasts);
      if (Array.from(picked.options, (option) => option.value).join() !== names.join()) {
        const before = picked.value;
        picked.replaceChildren(...names.map((name) => new Option(name, name)));
        if (names.includes(before)) picked.value = before;
      }
      const changed = compound !== this.compound;
      this.compound = compound;
      this.reference = decode(compound.reference);
      this.forecast = decode(compound.forecasts[picked.value]);
      if (changed) {
        const start = this.points(this.reference, 0);
        this.turn = flat(start);
        this.size = Math.max(...start.map((p) => Math.hypot(...p))) + 0.8;
      }
      this.draw();
    }

    // Positions at a frame in Å; null for an atom that is nowhere.
    points(frames, frame) {
      return this.compound.numbers.map((_, atom) => {
        const at = 3 * (frame * this.compound.numbers.length + atom);
        const point = [frames[at], frames[at + 1], frames[at + 2]];
        return point.includes(UNKNOWN) ? null : point.map((value) => value / 1000);
      });
    }

    play(on) {
      this.playing = on;
      this.find("play").textContent = on ? "Pause" : "Play";
      const from = performance.now();
      const time = this.find("time");
      const first = Number(time.value) % (this.data.times.length - 1);
      const step = (now) => {
        if (!this.playing) return;
        time.value = (first + Math.floor(((now - from) * SPEED) / 1000)) % this.data.times.length;
        this.draw();
        requestAnimationFrame(step);
      };
      if (on) requestAnimationFrame(step);
    }

    turning() {
      const turn = (a, b) => {
        this.turn = rotate(this.turn, a, b);
        this.draw();
      };
      this.canvas.addEventListener("pointerdown", (event) => this.canvas.setPointerCapture(event.pointerId));
      this.canvas.addEventListener("pointermove", (event) => {
        if (event.buttons) turn(event.movementX / 90, event.movementY / 90);
      });
      const keys = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
      this.canvas.addEventListener("keydown", (event) => {
        if (!(event.key in keys)) return;
        event.preventDefault();
        turn(...keys[event.key]);
      });
    }

    draw() {
      const frame = Number(this.find("time").value);
      const scale = window.devicePixelRatio || 1;
      const box = this.canvas.getBoundingClientRect();
      [this.canvas.width, this.canvas.height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
      const style = getComputedStyle(this.root);
      this.colour = (name) => style.getPropertyValue(name).trim();
      const pen = this.canvas.getContext("2d");
      pen.scale((this.canvas.width / box.width), (this.canvas.height / box.height));
      pen.translate(box.width / 2, box.height / 2);
      const zoom = Math.min(box.width, box.height) / 2 / this.size;
      for (const [frames, ghost] of [[this.reference, true], [this.forecast, false]]) {
        const shapes = this.shapes(this.points(frames, frame), zoom, ghost);
        shapes.sort((one, other) => one.depth - other.depth).forEach((shape) => shape.paint(pen));
      }
      this.say(frame);
    }

    // Atoms and halves of bonds with their depth; the reference as a ghost of one colour behind the forecast.
    shapes(points, zoom, ghost) {
      const { numbers, bonds } = this.compound;
      const seen = points.map((p) => p && this.turn.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]));
      const tint = (z) => this.colour(ghost ? "--green" : COLOURS[z] || "--purple");
      const [paper, alpha, size] = [this.colour("--paper"), ghost ? 0.55 : 1, ghost ? 1.2 : 1];
      const found = [];
      seen.forEach((p, atom) => {
        if (!p) return;
        const radius = size * zoom * (RADII[numbers[atom]] || 0.34);
        const paint = (pen) => {
          pen.globalAlpha = alpha;
          pen.beginPath();
          pen.arc(p[0] * zoom, -p[1] * zoom, radius, 0, 2 * Math.PI);
          pen.fillStyle = tint(numbers[atom]);
          pen.fill();
          pen.lineWidth = 1;
          pen.strokeStyle = paper;
          pen.stroke();
          if (ghost) return;
          pen.globalAlpha = 0.35; // light from above, on the left
          pen.beginPath();
          pen.arc(p[0] * zoom - radius * 0.32, -p[1] * zoom - radius * 0.32, radius * 0.32, 0, 2 * Math.PI);
          pen.fillStyle = "#ffffff";
          pen.fill();
        };
        found.push({ depth: p[2], paint });
      });
      for (const [i, j] of bonds) {
        if (!seen[i] || !seen[j]) continue;
        const middle = seen[i].map((x, k) => (x + seen[j][k]) / 2);
        for (const atom of [i, j]) {
          const p = seen[atom];
          const paint = (pen) => {
            pen.globalAlpha = alpha;
            pen.beginPath();
            pen.moveTo(p[0] * zoom, -p[1] * zoom);
            pen.lineTo(middle[0] * zoom, -middle[1] * zoom);
            pen.lineWidth = 0.17 * size * zoom;
            pen.strokeStyle = tint(numbers[atom]);
            pen.stroke();
          };
          found.push({ depth: (p[2] + middle[2]) / 2 - 0.1, paint });
        }
      }
      return found;
    }

    // Time, and the rms distance of the heavy atoms.
    say(frame) {
      const [truth, guess] = [this.points(this.reference, frame), this.points(this.forecast, frame)];
      const heavy = this.compound.numbers.map((z, k) => k).filter((k) => this.compound.numbers[k] > 1);
      const squares = heavy.map((k) => guess[k] && truth[k].reduce((sum, x, m) => sum + (x - guess[k][m]) ** 2, 0));
      const off = squares.includes(null)
        ? "the forecast is not finite"
        : `off by ${Math.sqrt(squares.reduce((a, b) => a + b, 0) / heavy.length).toFixed(2)} Å`;
      const time = `${Math.round(this.data.times[frame])} fs`;
      this.find("time").setAttribute("aria-valuetext", time);
      this.find("said").textContent = `${time}: ${off}`;
    }

    // What is shown, as XYZ: a frame of the reference and one of the forecast for each time.
    save(link) {
      const name = this.find("forecaster").value;
      const blocks = this.data.times.flatMap((time, frame) =>
        [["reference", this.reference], [name, this.forecast]].map(([label, frames]) => {
          const lines = this.points(frames, frame).map((p, k) => {
            const z = this.compound.numbers[k];
            return `${SYMBOLS[z] || z} ${(p || [NaN, NaN, NaN]).map((x) => x.toFixed(3)).join(" ")}`;
          });
          return `${lines.length}\n${label}, ${this.compound.name}, ${time} fs, Angstrom\n${lines.join("\n")}\n`;
        }),
      );
      URL.revokeObjectURL(link.href);
      link.href = URL.createObjectURL(new Blob(blocks, { type: "chemical/x-xyz" }));
      link.download = `${this.compound.id}-${name.replaceAll(" ", "-")}.xyz`;
    }
  }

  document.querySelectorAll(".overlay").forEach((root) => new Overlay(root));
})();
