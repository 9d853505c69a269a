# The commands of docs/walkthrough-timm-android.md, in a copy of this folder.
set -eu

# docs: have
python draw_photos.py                   # photos/train, photos/test; yours are there already
ls photos/train fruits.pth
# docs: end

# docs: check
edgeship check recipe.toml --profile pixel-8
# docs: end

# docs: run
edgeship run recipe.toml --no-measure
# docs: end

# docs: bundle
edgeship bundle runs --variant int8 --target onnx --out fruits.zip
edgeship verify-bundle fruits.zip --runtime onnxruntime=1.29.0 --abi arm64-v8a
edgeship codegen fruits.zip kotlin --out generated
# docs: end

# docs: pack
edgeship layout fruits.zip play --delivery on-demand --out pack
# docs: end
