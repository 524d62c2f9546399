// A scene of capsules and points. One mesh has all segments; their values over time are one texture, so that playing
// changes one number a frame.

import {
  BufferAttribute,
  BufferGeometry,
  CapsuleGeometry,
  Color,
  DataTexture,
  GLSL3,
  InstancedBufferAttribute,
  InstancedBufferGeometry,
  Mesh,
  NearestFilter,
  OrbitControls,
  PerspectiveCamera,
  Points,
  RawShaderMaterial,
  RedFormat,
  Scene,
  UnsignedByteType,
  Vector3,
  WebGLRenderer,
} from "./vendor/three.js";
import { palette } from "./colours.js";

const WIDE = 4096;

const CAPSULES = `
precision highp float;
precision highp sampler2D;
in vec3 position;
in vec3 start;
in vec3 end;
in float radius;
in vec3 tint;
in float element;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
uniform sampler2D frames;
uniform sampler2D colours;
uniform int frame;
uniform int elements;
uniform bool played;
uniform float thin;
out vec3 shade;
out vec3 facing;
void main() {
  vec3 axis = end - start;
  float far = length(axis);
  vec3 along = far > 0.0 ? axis / far : vec3(0.0, 1.0, 0.0);
  vec3 other = abs(along.y) < 0.9 ? vec3(0.0, 1.0, 0.0) : vec3(1.0, 0.0, 0.0);
  vec3 u = normalize(cross(other, along));
  vec3 v = cross(u, along);
  float middle = clamp(position.y, -0.5, 0.5);
  vec3 off = vec3(position.x, position.y - middle, position.z);
  vec3 turned = u * off.x + along * off.y + v * off.z;
  vec3 core = mix(start, end, middle + 0.5);
  // However far away, a neurite is as wide as a pixel.
  float wide = max(radius, -thin * (modelViewMatrix * vec4(core, 1.0)).z);
  vec3 place = core + wide * turned;
  facing = normalize((modelViewMatrix * vec4(turned, 0.0)).xyz);
  gl_Position = projectionMatrix * modelViewMatrix * vec4(place, 1.0);
  shade = tint;
  if (played) {
    int at = frame * elements + int(element);
    float value = texelFetch(frames, ivec2(at % ${WIDE}, at / ${WIDE}), 0).r;
    shade = texelFetch(colours, ivec2(int(value * 255.0 + 0.5), 0), 0).rgb;
  }
}`;

const SHADED = `
precision highp float;
in vec3 shade;
in vec3 facing;
out vec4 colour;
void main() {
  float light = 0.55 + 0.45 * max(0.0, normalize(facing).z);
  colour = vec4(shade * light, 1.0);
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
out vec4 colour;
void main() {
  vec2 off = gl_PointCoord - 0.5;
  if (dot(off, off) > 0.25) discard;
  colour = vec4(shade, 1.0);
}`;

function texture(values, rows, format) {
  const made = new DataTexture(values, WIDE, rows, format, UnsignedByteType);
  made.minFilter = NearestFilter;
  made.magFilter = NearestFilter;
  made.unpackAlignment = 1;
  made.needsUpdate = true;
  return made;
}

export class Shown {
  constructor(canvas) {
    this.canvas = canvas;
    this.renderer = new WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(40, 1, 1, 1e6);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.listenToKeyEvents(canvas);
    this.controls.addEventListener("change", () => this.draw());
    this.parts = [];
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas.parentElement);
    // Dark in both themes: what is bright is what is active.
    this.renderer.setClearColor(new Color("#10151a"));
  }

  clear() {
    for (const part of this.parts) {
      this.scene.remove(part);
      part.geometry.dispose();
      part.material.dispose();
    }
    this.parts = [];
    this.mesh = undefined;
    this.lit = undefined;
  }

  add(part) {
    part.frustumCulled = false;
    this.parts.push(part);
    this.scene.add(part);
    return part;
  }

  // Segments: start and end [n, 3], diameter [n], tint [n, 3] from 0 to 1.
  capsules({ start, end, diameter, tint, fine = true }) {
    const count = diameter.length;
    const shape = new CapsuleGeometry(1, 1, fine ? 4 : 2, fine ? 10 : 6);
    const geometry = new InstancedBufferGeometry();
    geometry.index = shape.index;
    geometry.setAttribute("position", shape.attributes.position);
    geometry.setAttribute("start", new InstancedBufferAttribute(start, 3));
    geometry.setAttribute("end", new InstancedBufferAttribute(end, 3));
    geometry.setAttribute("radius", new InstancedBufferAttribute(Float32Array.from(diameter, (one) => one / 2), 1));
    geometry.setAttribute("tint", new InstancedBufferAttribute(tint, 3));
    geometry.setAttribute("element", new InstancedBufferAttribute(Float32Array.from({ length: count }, (_, at) => at), 1));
    geometry.instanceCount = count;
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: CAPSULES,
      fragmentShader: SHADED,
      uniforms: {
        frames: { value: texture(new Uint8Array(WIDE), 1, RedFormat) },
        colours: { value: null },
        frame: { value: 0 },
        elements: { value: count },
        played: { value: false },
        thin: { value: 0 },
      },
    });
    const shades = new DataTexture(palette(), 256, 1);
    shades.minFilter = NearestFilter;
    shades.magFilter = NearestFilter;
    shades.needsUpdate = true;
    material.uniforms.colours.value = shades;
    this.mesh = this.add(new Mesh(geometry, material));
    return this.mesh;
  }

  tint(values) {
    this.mesh.geometry.attributes.tint.copyArray(values).needsUpdate = true;
    this.mesh.material.uniforms.played.value = false;
  }

  // Values of all segments over time, uint8 [frame, element].
  frames(values) {
    const rows = Math.ceil(values.length / WIDE);
    if (rows > this.renderer.capabilities.maxTextureSize) throw new Error("This machine's graphics cannot hold so many frames; ask for fewer.");
    const filled = new Uint8Array(rows * WIDE);
    filled.set(values);
    const { uniforms } = this.mesh.material;
    uniforms.frames.value.dispose();
    uniforms.frames.value = texture(filled, rows, RedFormat);
    [, uniforms.elements.value] = values.shape;
    uniforms.played.value = true;
  }

  // Points [n, 3]; with `time` and `lasting` each is seen from its time on, for so long.
  points({ place, tint, time, lasting = 0, size = 8, least = 2 }) {
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(place, 3));
    geometry.setAttribute("tint", new BufferAttribute(tint, 3));
    geometry.setAttribute("time", new BufferAttribute(time ?? new Float32Array(place.length / 3), 1));
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: DOTS,
      fragmentShader: ROUND,
      uniforms: { now: { value: 0 }, lasting: { value: lasting }, scale: { value: 0 }, least: { value: least } },
    });
    material.size = size;
    return this.add(new Points(geometry, material));
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
    const far = (0.55 * Math.max(extent[order[0]], extent[order[1]] / (this.camera.aspect || 1))) / Math.tan((Math.PI * 20) / 180) + extent[order[2]];
    this.camera.up.copy(up);
    this.camera.position.copy(middle).addScaledVector(eye, far || 100);
    this.camera.near = Math.max(0.1, far / 1000);
    this.camera.far = far * 100 + 1000;
    this.camera.updateProjectionMatrix();
    this.controls.target.copy(middle);
    this.controls.update();
    this.draw();
  }

  at(frame, time) {
    if (this.mesh) this.mesh.material.uniforms.frame.value = frame;
    for (const part of this.parts) if (part.material.uniforms.now) part.material.uniforms.now.value = time;
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  draw() {
    const tall = this.renderer.domElement.height / (2 * Math.tan((Math.PI * 20) / 180));
    for (const part of this.parts) if (part.material.uniforms.thin) part.material.uniforms.thin.value = 0.8 / tall;
    for (const part of this.parts) if (part.material.size) part.material.uniforms.scale.value = part.material.size * tall;
    this.renderer.render(this.scene, this.camera);
  }

  dispose() {
    this.observer.disconnect();
    this.clear();
    this.controls.dispose();
    this.renderer.dispose();
  }
}
