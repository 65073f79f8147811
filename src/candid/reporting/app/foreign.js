// Names the formats of pictures that Candid does not read, as candid.data.images.foreign does.

const counted = (kind) => Array.from({ length: 31 }, (_, at) => `\0\0${kind}\0${String.fromCharCode(at + 1)}\0`);

const MAGIC = {
  ICO: counted("\x01"),
  CUR: counted("\x02"),
  HDR: ["#?RADIANCE", "#?RGBE"],
  QOI: ["qoif"],
  PSD: ["8BPS"],
  XCF: ["gimp xcf"],
  OpenEXR: ["v/1\x01"],
  DDS: ["DDS "],
  Farbfeld: ["farbfeld"],
  FITS: ["SIMPLE  ="],
  "JPEG XL": ["\xff\x0a", "\0\0\0\x0cJXL "],
  "JPEG XR": ["II\xbc\x01"],
  PAM: ["P7\n"],
  PFM: ["Pf\n", "PF\n"],
  PDF: ["%PDF"],
  PostScript: ["%!PS"],
  ZIP: ["PK\x03\x04"],
  SVG: ["<svg"],
  video: ["\x1aE\xdf\xa3", "\0\0\x01\xba", "FLV\x01"],
};
const REMEDIES = {
  PDF: "save its pages as JPEG or PNG",
  video: "save frames of it as JPEG or PNG",
  ZIP: "unpack it",
};

/** Why a file is refused whose format has a name, or null. */
export function refusalOfForeign(bytes) {
  const name = identifyForeign(bytes);
  return name && `${name} is not supported: ${REMEDIES[name] ?? "save it as JPEG or PNG"}`;
}

function identifyForeign(bytes) {
  const text = (from, to) => String.fromCharCode(...bytes.subarray(from, to));
  const start = text(0, 16);
  const known = Object.keys(MAGIC).find((name) => MAGIC[name].some((magic) => start.startsWith(magic)));
  if (known) return known;
  if (text(4, 8) === "ftyp" || (text(0, 4) === "RIFF" && text(8, 12) === "AVI ")) return "video";
  if (bytes.length >= 18 && text(bytes.length - 18, bytes.length - 2) === "TRUEVISION-XFILE") return "TGA";
  const isTga =
    bytes.length > 18 &&
    bytes[1] < 2 &&
    [1, 2, 3, 9, 10, 11].includes(bytes[2]) &&
    [8, 15, 16, 24, 32].includes(bytes[16]);
  return isTga ? "TGA" : null;
}
