/** An HTTP function, and nothing else: no package.json, no server. */
exports.index = (req, res) => {
  res.send(`Hello ${req.query.name ?? process.env.TARGET ?? "World"}\n`);
};
