// A scene of segments, points and surfaces. What changes over time is a number: values of all segments are one texture.

import {
  BufferAttribute,
  BufferGeometry,
  Color,
  DataTexture,
  DoubleSide,
  GLSL3,
  Mesh,
  NearestFilter,
  OrbitControls,
  PerspectiveCamera,
  Points,
  RawShaderMaterial,
  RedFormat,
  Scene as Objects,
  UnsignedByteType,
  Vector3,
  WebGLRenderer,
} from "./vendor/three.js";
import { palette } from "./colours.js";

const WIDE = 4096;
const VIEW = 40; // degrees from bottom to top
const NEAR_PX = 14; // to a click, at most

// A segment is a triangle that faces the eye, of which the part is drawn that is in a capsule; each vertex knows both ends. To
// draw one shape many times instead is slow where the processor draws, and so is to look ends up in a texture.
const SEGMENTS = `
precision highp float;
precision highp int;
precision highp sampler2D;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
in vec4 first;
in vec4 last;
uniform sampler2D frames;
uniform sampler2D colours;
uniform int frame;
uniform int elements;
uniform bool played;
uniform vec2 range;
uniform float thin;
flat out vec3 shade;
out vec2 off;
flat out float far;
void main() {
  int element = gl_VertexID / 3;
  int corner = gl_VertexID % 3;
  vec3 start = (modelViewMatrix * vec4(first.xyz, 1.0)).xyz;
  vec3 end = (modelViewMatrix * vec4(last.xyz, 1.0)).xyz;
  vec3 eye = normalize(0.5 * (start + end));
  vec3 axis = end - start;
  vec3 flatted = axis - eye * dot(axis, eye);
  float length_ = length(flatted);
  vec3 along = length_ > 1e-5 ? flatted / length_ : normalize(cross(eye, vec3(0.31, 0.57, 0.76)));
  vec3 side = cross(along, eye);
  // However far away, a neurite is as wide as a pixel.
  float wide = max(first.w, -0.5 * thin * (start.z + end.z));
  far = length_ / wide;
  off = corner < 2 ? vec2(corner == 0 ? -2.0 : 2.0, -1.0) : vec2(0.0, 2.0 * far + 3.0);
  vec3 core = start + along * wide * off.y + eye * (dot(axis, eye) * off.y / max(far, 1.0));
  gl_Position = projectionMatrix * vec4(core + wide * off.x * side, 1.0);
  int packed = int(last.w);
  shade = vec3(float(packed >> 16), float((packed >> 8) & 255), float(packed & 255)) / 255.0;
  if (played) {
    int at = frame * elements + element;
    float value = texelFetch(frames, ivec2(at % ${WIDE}, at / ${WIDE}), 0).r * 255.0;
    float part = value > 254.5 ? 255.0 : clamp((value - range.x) / (range.y - range.x), 0.0, 1.0) * 254.0;
    shade = texelFetch(colours, ivec2(int(part + 0.5), 0), 0).rgb;
  }
}`;

const SHADED = `
precision highp float;
flat in vec3 shade;
in vec2 off;
flat in float far;
out vec4 colour;
void main() {
  float beyond = off.y - clamp(off.y, 0.0, far);
  float from = off.x * off.x + beyond * beyond;
  if (from > 1.0) discard;
  colour = vec4(shade * (0.5 + 0.5 * sqrt(1.0 - from)), 1.0);
}`;

const DOTS = `
precision highp float;
in vec3 position;
in vec3 tint;
in float time;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
uniform float now;
uniform float lasting;
uniform float scale;
uniform float least;
out vec3 shade;
void main() {
  float age = now - time;
  bool seen = lasting <= 0.0 || (age >= 0.0 && age < lasting);
  vec4 place = modelViewMatrix * vec4(position, 1.0);
  gl_Position = seen ? projectionMatrix * place : vec4(2.0, 2.0, 2.0, 1.0);
  float fading = lasting > 0.0 ? 1.0 - age / lasting : 1.0;
  gl_PointSize = max(least, scale * (0.4 + 0.6 * fading) / max(1.0, -place.z));
  shade = tint;
}`;

const ROUND = `
precision highp float;
in vec3 shade;
uniform bool ringed;
out vec4 colour;
void main() {
  vec2 off = 2.0 * (gl_PointCoord - 0.5);
  float from = dot(off, off);
  if (from > 1.0) discard;
  bool rim = ringed && from > 0.5;
  colour = vec4(rim ? vec3(1.0) : shade * (0.6 + 0.4 * sqrt(1.0 - from)), 1.0);
}`;

const FACES = `
precision highp float;
in vec3 position;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
out vec3 seen;
void main() {
  vec4 place = modelViewMatrix * vec4(position, 1.0);
  seen = place.xyz;
  gl_Position = projectionMatrix * place;
}`;

const GLASS = `
precision highp float;
in vec3 seen;
uniform vec3 tint;
uniform float opacity;
out vec4 colour;
void main() {
  vec3 normal = normalize(cross(dFdx(seen), dFdy(seen)));
  float facing = abs(dot(normal, normalize(seen)));
  colour = vec4(tint * (0.4 + 0.6 * facing), opacity + (1.0 - opacity) * 0.35 * (1.0 - facing));
}`;

function texture(values, rows) {
  const made = new DataTexture(values, WIDE, rows, RedFormat, UnsignedByteType);
  made.minFilter = NearestFilter;
  made.magFilter = NearestFilter;
  made.unpackAlignment = 1;
  made.needsUpdate = true;
  return made;
}

function shades(of) {
  const made = new DataTexture(palette(of), 256, 1);
  made.minFilter = NearestFilter;
  made.magFilter = NearestFilter;
  made.needsUpdate = true;
  return made;
}

function packedTint(tint, k) {
  return Math.round(255 * tint[3 * k]) * 65536 + Math.round(255 * tint[3 * k + 1]) * 256 + Math.round(255 * tint[3 * k + 2]);
}

// Segments: start and end [n, 3], diameter [n], tint [n, 3] from 0 to 1. A diameter of 0 is a line.
class Segments {
  constructor(scene, { start, end, diameter, tint }) {
    this.count = diameter.length;
    this.start = start;
    this.end = end;
    // Three times for each segment: its start and radius; its end and colour.
    this.first = new Float32Array(12 * this.count);
    this.last = new Float32Array(12 * this.count);
    for (let k = 0; k < this.count; k += 1) {
      for (let at = 12 * k; at < 12 * (k + 1); at += 4) {
        this.first.set(start.subarray(3 * k, 3 * k + 3), at);
        this.last.set(end.subarray(3 * k, 3 * k + 3), at);
        this.first[at + 3] = diameter[k] / 2;
      }
    }
    const corners = new Uint32Array(3 * this.count);
    for (let k = 0; k < this.count; k += 1) corners.set([3 * k, 3 * k + 1, 3 * k + 2], 3 * k);
    const geometry = new BufferGeometry();
    geometry.setIndex(new BufferAttribute(corners, 1));
    geometry.setAttribute("first", new BufferAttribute(this.first, 4));
    geometry.setAttribute("last", new BufferAttribute(this.last, 4));
    this.none = texture(new Uint8Array(WIDE), 1);
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: SEGMENTS,
      fragmentShader: SHADED,
      side: DoubleSide,
      uniforms: {
        frames: { value: this.none },
        colours: { value: null },
        frame: { value: 0 },
        elements: { value: this.count },
        played: { value: false },
        range: { value: [0, 254] },
        thin: { value: 0 },
      },
    });
    this.uniforms = material.uniforms;
    this.object = new Mesh(geometry, material);
    this.scene = scene;
    this.tint(tint);
  }

  tint(values) {
    for (let k = 0; k < this.count; k += 1) {
      const packed = packedTint(values, k);
      for (let corner = 0; corner < 3; corner += 1) this.last[12 * k + 4 * corner + 3] = packed;
    }
    this.object.geometry.attributes.last.needsUpdate = true;
    this.uniforms.played.value = false;
  }

  // Values of all segments over time, uint8 [frame, element]; `times` in ms rise.
  frames(values, times, scale) {
    const rows = Math.ceil(values.length / WIDE);
    if (rows > this.scene.renderer.capabilities.maxTextureSize) {
      throw new Error("This machine's graphics cannot hold so many frames; ask for fewer, or for a shorter time.");
    }
    const filled = new Uint8Array(rows * WIDE);
    filled.set(values);
    if (this.uniforms.frames.value !== this.none) this.uniforms.frames.value.dispose();
    this.uniforms.colours.value?.dispose();
    this.uniforms.frames.value = texture(filled, rows);
    this.uniforms.colours.value = shades(scale);
    this.uniforms.elements.value = values.shape[1];
    this.uniforms.played.value = true;
    this.times = times;
  }

  // Which part of 0 to 254 the colours span.
  range(low, high) {
    this.uniforms.range.value = [low, high];
  }

  at(time) {
    if (this.uniforms.played.value) this.uniforms.frame.value = frameAt(this.times, time);
  }

  sized(tall, quality) {
    this.uniforms.thin.value = Math.max(0.6, quality) / tall;
  }

  middle(k) {
    return [0, 1, 2].map((axis) => (this.start[3 * k + axis] + this.end[3 * k + axis]) / 2);
  }

  dispose() {
    for (const name of ["frames", "colours"]) this.uniforms[name].value?.dispose();
  }
}

// Points [n, 3]; with `time` and `lasting` each is seen from its time on, for so long. `size` in µm, `least` in pixels.
class Dots {
  constructor(scene, { place, tint, time, lasting = 0, size = 8, least = 2, ringed = false }) {
    this.count = place.length / 3;
    this.place = place;
    this.size = size;
    this.least = least;
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(place, 3));
    geometry.setAttribute("tint", new BufferAttribute(tint, 3));
    geometry.setAttribute("time", new BufferAttribute(time ?? new Float32Array(this.count), 1));
    const uniforms = { now: 0, lasting, scale: 0, least, ringed };
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: DOTS,
      fragmentShader: ROUND,
      uniforms: Object.fromEntries(Object.entries(uniforms).map(([name, value]) => [name, { value }])),
    });
    this.uniforms = material.uniforms;
    this.object = new Points(geometry, material);
  }

  tint(values) {
    this.object.geometry.attributes.tint.copyArray(values).needsUpdate = true;
  }

  at(time) {
    this.uniforms.now.value = time;
  }

  sized(tall, quality) {
    this.uniforms.scale.value = this.size * tall;
    this.uniforms.least.value = this.least * quality;
  }

  middle(k) {
    return this.place.subarray(3 * k, 3 * k + 3);
  }
}

// Triangles [m, 3] of points [n, 3], which can be seen through.
class Surface {
  constructor({ points, triangles, tint, opacity = 0.25 }) {
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(points, 3));
    geometry.setIndex(new BufferAttribute(Uint32Array.from(triangles), 1));
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: FACES,
      fragmentShader: GLASS,
      side: DoubleSide,
      transparent: opacity < 1,
      depthWrite: opacity >= 1,
      uniforms: { tint: { value: tint }, opacity: { value: opacity } },
    });
    this.object = new Mesh(geometry, material);
  }
}

// The frame whose time is nearest.
export function frameAt(times, time) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low > 0 && time - times[low - 1] < times[low] - time ? low - 1 : low;
}

// Whether a graphics card draws; smooth edges cost a processor twice the time.
function fast() {
  const probe = document.createElement("canvas").getContext("webgl2");
  const told = probe?.getExtension("WEBGL_debug_renderer_info");
  const name = told ? probe.getParameter(told.UNMASKED_RENDERER_WEBGL) : "";
  probe?.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

export class Scene {
  constructor(canvas) {
    this.canvas = canvas;
    this.renderer = new WebGLRenderer({ canvas, antialias: fast(), preserveDrawingBuffer: true });
    this.quality = 1;
    this.objects = new Objects();
    this.camera = new PerspectiveCamera(VIEW, 1, 1, 1e6);
    this.layers = [];
    this.drawn = () => {};
    this.steer();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas.parentElement);
    // Dark in both themes: what is bright is what is active.
    this.renderer.setClearColor(new Color("#10151a"));
    this.resize();
  }

  segments(given) {
    return this.added(new Segments(this, given));
  }

  points(given) {
    return this.added(new Dots(this, given));
  }

  surface(given) {
    return this.added(new Surface(given));
  }

  added(layer) {
    layer.object.frustumCulled = false;
    this.layers.push(layer);
    this.objects.add(layer.object);
    return layer;
  }

  remove(...gone) {
    for (const layer of gone) {
      if (!layer) continue;
      this.objects.remove(layer.object);
      layer.dispose?.();
      layer.object.geometry.dispose();
      layer.object.material.dispose();
    }
    this.layers = this.layers.filter((layer) => !gone.includes(layer));
  }

  // Controls take what is up from the camera when they are made.
  steer(target = new Vector3()) {
    this.controls?.dispose();
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.listenToKeyEvents(this.canvas);
    this.controls.addEventListener("change", () => this.draw());
    this.controls.target.copy(target);
    this.controls.update();
  }

  // Look closer, or from farther away.
  zoom(factor) {
    const { target } = this.controls;
    this.camera.position.sub(target).multiplyScalar(1 / factor).add(target);
    this.controls.update();
    this.draw();
  }

  // Look at all of it, from the side that shows most.
  fit(places) {
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (const place of places) {
      for (let k = 0; k < place.length; k += 1) {
        const axis = k % 3;
        if (place[k] < low[axis]) low[axis] = place[k];
        if (place[k] > high[axis]) high[axis] = place[k];
      }
    }
    if (!Number.isFinite(low[0])) return;
    const extent = low.map((value, axis) => high[axis] - value);
    const middle = new Vector3(...low.map((value, axis) => value + extent[axis] / 2));
    // The longest axis stands upright; the shortest one points to the eye.
    const order = [0, 1, 2].sort((a, b) => extent[b] - extent[a]);
    const up = new Vector3().setComponent(order[0], 1);
    const eye = new Vector3().setComponent(order[2], 1);
    const far = (0.55 * Math.max(extent[order[0]], extent[order[1]] / (this.camera.aspect || 1))) / Math.tan((Math.PI * VIEW) / 360) + extent[order[2]] / 2;
    this.camera.up.copy(up);
    this.camera.position.copy(middle).addScaledVector(eye, far || 100);
    this.camera.near = Math.max(0.1, far / 1000);
    this.camera.far = far * 100 + 1000;
    this.camera.updateProjectionMatrix();
    this.steer(middle);
    this.draw();
  }

  at(time) {
    for (const layer of this.layers) layer.at?.(time);
    this.draw();
  }

  // What is nearest to a place of the canvas in pixels, of some layers: {layer, element}, or null.
  pick(x, y, layers) {
    const { clientWidth, clientHeight } = this.canvas;
    this.camera.updateMatrixWorld();
    const [one, other] = [new Vector3(), new Vector3()];
    const seen = (place, from, k) => {
      place.set(from[3 * k], from[3 * k + 1], from[3 * k + 2]).project(this.camera);
      [place.x, place.y] = [((place.x + 1) / 2) * clientWidth - x, ((1 - place.y) / 2) * clientHeight - y];
      return place.z >= -1 && place.z <= 1;
    };
    let best = null;
    let least = NEAR_PX;
    for (const layer of layers) {
      const [start, end] = layer.place ? [layer.place, layer.place] : [layer.start, layer.end];
      for (let k = 0; k < layer.count; k += 1) {
        if (!seen(one, start, k) || !seen(other, end, k)) continue;
        const [wide, tall] = [other.x - one.x, other.y - one.y];
        const along = Math.min(1, Math.max(0, -(one.x * wide + one.y * tall) / (wide * wide + tall * tall || 1)));
        // Of two that are as near, the one before the other.
        const off = Math.hypot(one.x + along * wide, one.y + along * tall) + one.z;
        if (off < least) [best, least] = [{ layer, element: k }, off];
      }
    }
    return best;
  }

  // How many µm are a pixel where the eye looks at.
  scale() {
    const far = this.camera.position.distanceTo(this.controls.target);
    return (2 * far * Math.tan((Math.PI * VIEW) / 360)) / (this.canvas.clientHeight || 1);
  }

  // Draw fewer pixels, 0 to 1 of them along each side, and have the browser stretch them.
  coarse(quality) {
    if (quality === this.quality) return;
    this.quality = quality;
    this.resize();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(this.quality * Math.min(devicePixelRatio, 2));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  draw() {
    const tall = this.renderer.domElement.height / (2 * Math.tan((Math.PI * VIEW) / 360));
    for (const layer of this.layers) layer.sized?.(tall, this.quality);
    this.renderer.render(this.objects, this.camera);
    this.drawn();
  }

  dispose() {
    this.observer.disconnect();
    this.remove(...this.layers);
    this.controls.dispose();
    this.renderer.dispose();
  }
}
