"""Image pool: generated images of earlier steps, which a discriminator sees in place of half of the new ones."""

import tensorflow as tf

SIZE = 50


def draw(pool, count, images, seed):
    """Returns what a discriminator sees in place of a batch of images, and the pool after it.

    While the pool fills, an image is put there and seen. Later it is, with probability 1/2, exchanged for one of the
    pool drawn at random; else it is seen and not kept. The images of a batch come one after another.

    Args:
        pool: float tensor `[size, height, width, channels]`.
        count: integer scalar tensor, how many of the pool are images.
        images: float tensor `[batch, height, width, channels]`.
        seed: integer tensor `[2]`; what is drawn is a function of it.

    Returns:
        Tensors like `images`, `pool` and `count`.

    Reference:
        Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", 2017,
        section 2.3; as in the released code of CycleGAN.
    """
    size, batch = pool.shape[0], tf.shape(images)[0]
    seeds = tf.random.split(seed, 2)
    luck = tf.random.stateless_uniform((batch,), seeds[0])
    places = tf.random.stateless_uniform((batch,), seeds[1], maxval=size, dtype=tf.int32)

    def take(index, pool, count, seen):
        image, place, fills = images[index], places[index], count < size
        swaps = tf.logical_and(tf.logical_not(fills), luck[index] > 0.5)
        shown = tf.where(swaps, pool[place], image)
        place = tf.where(fills, tf.cast(tf.minimum(count, size - 1), tf.int32), place)
        kept = tf.where(tf.logical_or(fills, swaps), image, pool[place])
        pool = tf.tensor_scatter_nd_update(pool, [[place]], [kept])
        return index + 1, pool, count + tf.cast(fills, count.dtype), seen.write(index, shown)

    seen = tf.TensorArray(images.dtype, batch, element_shape=images.shape[1:])
    _, pool, count, seen = tf.while_loop(lambda index, *_: index < batch, take, (0, pool, count, seen))
    return tf.ensure_shape(seen.stack(), images.shape), pool, count
