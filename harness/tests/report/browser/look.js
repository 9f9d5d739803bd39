// What can be seen of the page; see look.rs for the meaning of what is returned.

// "rgb(1, 2, 3)" or "rgba(1, 2, 3, 0.5)" as four numbers.
const parsed = (colour) => {
    const parts = (colour.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return colour === "none" ? [0, 0, 0, 0] : [parts[0], parts[1], parts[2], parts[3] ?? 1];
};
const over = (top, below) => below.map((part, i) => top[3] * top[i] + (1 - top[3]) * part);

// The colour with which an element fills its place; shapes that are no areas
// (lines, dots, marks) fill none.
const filling = (element) => {
    const style = getComputedStyle(element);
    const svg = element instanceof SVGElement && !(element instanceof SVGSVGElement);
    if (svg && element.tagName !== "rect") return [0, 0, 0, 0];
    const colour = parsed(svg ? style.fill : style.backgroundColor);
    colour[3] *= Number(style.opacity);
    return colour;
};

// What is seen behind an element at a point.
const behind = (element, x, y) => {
    const stack = document.elementsFromPoint(x, y);
    const below = stack.slice(stack.indexOf(element) + 1);
    const own = element instanceof SVGElement ? [] : [element];
    let colour = [255, 255, 255];
    for (const layer of [...own, ...below].reverse()) colour = over(filling(layer), colour);
    return colour;
};

const contrast = (one, other) => {
    const linear = (part) => {
        part /= 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    };
    const luminance = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]) + 0.05;
    const [a, b] = [luminance(one), luminance(other)];
    return Math.max(a, b) / Math.min(a, b);
};

const texts = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || ["title", "script", "style"].includes(element.tagName.toLowerCase())) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = [...range.getClientRects()].find((box) => box.width > 1 && box.height > 1);
    if (!box) continue;
    const [x, y] = [box.left + Math.min(box.width / 2, 4), box.top + box.height / 2];
    // Cut off, or outside of what can be moved sideways.
    if (!document.elementsFromPoint(x, y).includes(element)) continue;
    const style = getComputedStyle(element);
    const below = behind(element, x, y);
    const own = parsed(element instanceof SVGElement ? style.fill : style.color);
    texts.push({ text: node.data.trim().slice(0, 60), colour: over(own, below), behind: below });
}
const pale = texts
    .map((text) => ({ ...text, contrast: contrast(text.colour, text.behind) }))
    .sort((one, other) => one.contrast - other.contrast)
    .slice(0, 20);

const marks = document.querySelectorAll("details[open] h3 + figure use.lost");
const lost = [...marks].map((mark) => {
    const { left, right, width, height } = mark.getBoundingClientRect();
    return { left, right, width, height };
});
const stroke = (selector) => {
    const element = document.querySelector(selector);
    return element ? parsed(getComputedStyle(element).stroke).slice(0, 3) : [0, 0, 0];
};
const root = document.documentElement;
return {
    overflow: root.scrollWidth - root.clientWidth,
    page: parsed(getComputedStyle(document.body).backgroundColor).slice(0, 3),
    cross: stroke("use.lost"),
    dot: stroke(".dots"),
    lost,
    texts: texts.length,
    pale,
};
